//! Buffers: shared, reference-counted blocks of bytes, owned by the allocator or lent by somebody else.

use crate::alloc::{self, AllocError, Block};
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{Ordering::Acquire, fence};

/// A shared handle to a block of bytes; cloning it shares the block.
///
/// # Aliasing
/// A buffer is memory, not data: handles on several threads may point at the same bytes, and compiled code
/// reads and writes through raw pointers. The type therefore gives safe access to the address only. Whoever
/// reads or writes through it, here or in compiled code, promises:
/// - a byte is not written while anything else reads or writes it, from any thread;
/// - while a Rust reference to a range exists, nothing writes that range (and for a `&mut`, nothing reads it);
/// - bytes of `uninit` are written before they are read;
/// - nothing is written where `is_writable` is false.
///
/// Holding the only handle (`is_unique`) is enough for the first two in memory of our own: this is what donating
/// an input to an output relies on. It is not enough for external memory, which its owner can reach as well.
#[derive(Clone)]
pub struct Buffer {
    shared: Arc<Shared>,
}

struct Shared {
    start: NonNull<u8>,
    len: usize,
    origin: Origin,
}

/// What keeps the bytes alive. Neither value is read again; dropping it gives the memory back.
enum Origin {
    Own { _block: Option<Block> },
    External { _owner: Box<dyn Send + Sync>, writable: bool },
}

// SAFETY: the pointer is to memory kept alive by `origin`, whose parts are Send and Sync themselves; access to
// the bytes is unsafe and bound by the rules above.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Buffer {
    /// A buffer of unspecified content, aligned to 64 bytes.
    pub fn uninit(len: usize) -> Result<Self, AllocError> {
        Self::from_block(len, alloc::alloc)
    }

    /// A buffer of zero bytes, aligned to 64 bytes.
    pub fn zeroed(len: usize) -> Result<Self, AllocError> {
        Self::from_block(len, alloc::alloc_zeroed)
    }

    /// A copy of plain values.
    pub fn from_slice<T: Copy>(values: &[T]) -> Result<Self, AllocError> {
        let buffer = Self::uninit(size_of_val(values))?;
        // SAFETY: the new buffer holds as many bytes as the slice and nobody else has it.
        unsafe { buffer.ptr().copy_from_nonoverlapping(values.as_ptr().cast(), buffer.len()) };
        Ok(buffer)
    }

    /// Memory of somebody else, kept alive by `owner`, which is dropped with the last handle.
    ///
    /// # Safety
    /// `len` bytes at `start` must stay readable, and writable if so declared, until `owner` is dropped.
    pub unsafe fn external(
        start: NonNull<u8>,
        len: usize,
        owner: Box<dyn Send + Sync>,
        writable: bool,
    ) -> Self {
        let origin = Origin::External { _owner: owner, writable };
        Self { shared: Arc::new(Shared { start, len, origin }) }
    }

    fn from_block(
        len: usize,
        obtain: impl Fn(usize) -> Result<Block, AllocError>,
    ) -> Result<Self, AllocError> {
        let block = if len == 0 { None } else { Some(obtain(len)?) };
        let start = block.as_ref().map_or(EMPTY.start(), Block::start);
        Ok(Self { shared: Arc::new(Shared { start, len, origin: Origin::Own { _block: block } }) })
    }

    /// The address of the first byte. See the type's aliasing rules before using it.
    pub fn ptr(&self) -> *mut u8 {
        self.shared.start.as_ptr()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.shared.len
    }

    pub fn is_empty(&self) -> bool {
        self.shared.len == 0
    }

    /// Whether the memory belongs to somebody else.
    pub fn is_external(&self) -> bool {
        matches!(self.shared.origin, Origin::External { .. })
    }

    /// Whether the memory may be written at all.
    pub fn is_writable(&self) -> bool {
        !matches!(self.shared.origin, Origin::External { writable: false, .. })
    }

    /// Whether this is the only handle. Only then nobody can make another one meanwhile, so the answer `true`
    /// lasts as long as the caller keeps the handle to itself.
    pub fn is_unique(&self) -> bool {
        let unique = self.strong_count() == 1;
        // What other threads did through handles they have dropped happened before what follows.
        fence(Acquire);
        unique
    }

    pub fn strong_count(&self) -> usize {
        Arc::strong_count(&self.shared)
    }

    /// Whether two handles share one block.
    pub fn same_block(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Copies all bytes of `from` over those of this buffer; `false` if it is not writable or not as long.
    /// Others who read or write the memory meanwhile see unspecified bytes.
    pub fn overwrite(&self, from: &Self) -> bool {
        if !self.is_writable() || self.len() != from.len() {
            return false;
        }
        // SAFETY: both blocks are `len` bytes long; `copy` allows them to be the same.
        unsafe { self.ptr().copy_from(from.ptr(), self.len()) };
        true
    }

    /// The bytes as values of type `T`; a rest smaller than one value is left out.
    ///
    /// # Safety
    /// The bytes must be initialised, valid for `T` and aligned for it, and not be written while the slice lives.
    pub unsafe fn as_slice<T: Copy>(&self) -> &[T] {
        debug_assert!(self.ptr().cast::<T>().is_aligned());
        // SAFETY: the block holds `len` bytes for as long as the handle; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.ptr().cast(), self.len() / size_of::<T>()) }
    }

    /// The bytes as values of type `T` to write; a rest smaller than one value is left out.
    ///
    /// # Safety
    /// As for `as_slice`, and nothing else may read or write the bytes while the slice lives, which the exclusive
    /// borrow of one handle does not ensure. The buffer must be writable.
    pub unsafe fn as_mut_slice<T: Copy>(&mut self) -> &mut [T] {
        debug_assert!(self.is_writable() && self.ptr().cast::<T>().is_aligned());
        // SAFETY: the block holds `len` bytes for as long as the handle; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.ptr().cast(), self.len() / size_of::<T>()) }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_external() { "external, " } else { "" };
        write!(f, "Buffer({kind}{} bytes at {:p})", self.len(), self.ptr())
    }
}

/// The address of empty buffers: aligned like any other, never read or written.
#[repr(align(64))]
struct Empty;

static EMPTY: Empty = Empty;

impl Empty {
    fn start(&'static self) -> NonNull<u8> {
        NonNull::from(self).cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    #[test]
    fn content_round_trips() {
        let values = [1.5f32, -2.0, f32::INFINITY];
        let buffer = Buffer::from_slice(&values).unwrap();
        assert_eq!((buffer.len(), buffer.ptr() as usize % 64), (12, 0));
        // SAFETY: the buffer was written above and nothing writes it now.
        assert_eq!(unsafe { buffer.as_slice::<f32>() }, values);
    }

    #[test]
    fn zeroed_is_zero() {
        let buffer = Buffer::zeroed(1000).unwrap();
        // SAFETY: all bytes are initialised and nothing writes them.
        assert!(unsafe { buffer.as_slice::<u8>() }.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn handles_share_and_count() {
        let buffer = Buffer::uninit(16).unwrap();
        assert!(buffer.is_unique() && buffer.is_writable() && !buffer.is_external());
        let view = buffer.clone();
        assert!(view.same_block(&buffer) && view.ptr() == buffer.ptr());
        assert_eq!((buffer.is_unique(), buffer.strong_count()), (false, 2));
        drop(view);
        assert!(buffer.is_unique());
    }

    #[test]
    fn external_memory_lives_as_long_as_its_last_handle() {
        static DROPPED: AtomicBool = AtomicBool::new(false);
        struct Owner(Vec<u8>);
        impl Drop for Owner {
            fn drop(&mut self) {
                DROPPED.store(true, SeqCst);
            }
        }
        let mut owner = Box::new(Owner(vec![1, 2, 3]));
        let start = NonNull::new(owner.0.as_mut_ptr()).unwrap();
        // SAFETY: the vector's memory does not move when its box does, and lives until the owner is dropped.
        let buffer = unsafe { Buffer::external(start, 3, owner, false) };
        assert!(buffer.is_external() && !buffer.is_writable());
        let other = buffer.clone();
        drop(buffer);
        assert!(!DROPPED.load(SeqCst));
        // SAFETY: the bytes are initialised and nothing writes them.
        assert_eq!(unsafe { other.as_slice::<u8>() }, [1, 2, 3]);
        drop(other);
        assert!(DROPPED.load(SeqCst));
    }

    #[test]
    fn empty_buffers_need_no_memory() {
        let buffer = Buffer::zeroed(0).unwrap();
        assert!(buffer.is_empty() && (buffer.ptr() as usize).is_multiple_of(64));
        // SAFETY: there are no bytes.
        assert!(unsafe { buffer.as_slice::<f64>() }.is_empty());
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        let error = Buffer::uninit(usize::MAX).unwrap_err();
        assert!(
            error.to_string().starts_with("not enough memory: tried to allocate 18446744073709551615 bytes")
        );
    }
}
