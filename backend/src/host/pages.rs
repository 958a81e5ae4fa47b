//! Memory straight from the operating system, page by page.

use std::ptr::NonNull;

/// Every block starts on such a boundary.
pub const PAGE: usize = 4096;
/// The size of an x86-64 or aarch64 huge page.
const HUGE_PAGE: usize = 2 << 20;
/// From this size on, a block is aligned for huge pages and asks for them: fewer faults, fewer TLB misses.
const HUGE_BLOCK: usize = 4 << 20;

/// Maps `bytes` (a multiple of `PAGE`) of zeroed memory, or says that the system refuses.
#[cfg(unix)]
pub fn map(bytes: usize) -> Option<NonNull<u8>> {
    debug_assert!(bytes > 0 && bytes.is_multiple_of(PAGE));
    if bytes < HUGE_BLOCK {
        return map_anywhere(bytes);
    }
    let padded = bytes.checked_add(HUGE_PAGE)?;
    let start = map_anywhere(padded)?;
    let head = start.as_ptr().align_offset(HUGE_PAGE);
    // SAFETY: `head` is below HUGE_PAGE, so `head..head + bytes` lies inside the mapping just made, and the two
    // rests given back are whole pages of it that nobody else knows of.
    unsafe {
        let block = NonNull::new_unchecked(start.as_ptr().add(head));
        if head > 0 {
            unmap(start, head);
        }
        if head < HUGE_PAGE {
            unmap(NonNull::new_unchecked(block.as_ptr().add(bytes)), HUGE_PAGE - head);
        }
        #[cfg(target_os = "linux")]
        libc::madvise(block.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE);
        Some(block)
    }
}

#[cfg(unix)]
fn map_anywhere(bytes: usize) -> Option<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a private anonymous mapping at an address of the system's choice touches no existing memory.
    let start = unsafe {
        libc::mmap(std::ptr::null_mut(), bytes, protection, libc::MAP_PRIVATE | libc::MAP_ANON, -1, 0)
    };
    if start == libc::MAP_FAILED { None } else { NonNull::new(start.cast()) }
}

/// Gives pages back.
///
/// # Safety
/// `start..start + bytes` must be whole pages from `map` that nothing refers to any more.
#[cfg(unix)]
pub unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller owns these pages. Failure (the mapping table is full) only keeps them mapped.
    unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
}

/// Maps `bytes` (a multiple of `PAGE`) of zeroed memory, or says that the system refuses.
#[cfg(not(unix))]
pub fn map(bytes: usize) -> Option<NonNull<u8>> {
    let layout = std::alloc::Layout::from_size_align(bytes, PAGE).ok()?;
    // SAFETY: callers never ask for zero bytes.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) })
}

/// Gives pages back.
///
/// # Safety
/// `start` must come from `map(bytes)` and nothing may refer to it any more.
#[cfg(not(unix))]
pub unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the layout is the one `map` used.
    unsafe {
        std::alloc::dealloc(start.as_ptr(), std::alloc::Layout::from_size_align_unchecked(bytes, PAGE))
    };
}

/// An estimate, from evenly spaced samples, of how many bytes of a block have never been written: mapped memory
/// counts against a limit only once it is touched.
#[cfg(target_os = "linux")]
pub fn untouched(start: NonNull<u8>, bytes: usize) -> usize {
    const SAMPLES: usize = 16;
    let step = (bytes / SAMPLES).next_multiple_of(PAGE).max(PAGE);
    let offsets = (0..bytes).step_by(step);
    let absent = |&offset: &usize| {
        let mut resident = 1u8;
        // SAFETY: mincore only reads the page table; the address is one page of a live mapping, and one page
        // fills one byte.
        let status =
            unsafe { libc::mincore(start.as_ptr().add(offset).cast(), PAGE, (&raw mut resident).cast()) };
        status == 0 && resident & 1 == 0
    };
    offsets.filter(absent).count() * step
}

/// Other systems do not tell.
#[cfg(not(target_os = "linux"))]
pub fn untouched(_start: NonNull<u8>, _bytes: usize) -> usize {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_zeroed_and_aligned() {
        for bytes in [PAGE, 3 * PAGE, HUGE_BLOCK, HUGE_BLOCK + 5 * PAGE] {
            let block = map(bytes).unwrap();
            let alignment = if cfg!(unix) && bytes >= HUGE_BLOCK { HUGE_PAGE } else { PAGE };
            assert_eq!(block.as_ptr() as usize % alignment, 0);
            // SAFETY: the mapping holds `bytes` bytes and is unmapped once, after its last use.
            unsafe {
                assert!(std::slice::from_raw_parts(block.as_ptr(), bytes).iter().all(|&byte| byte == 0));
                unmap(block, bytes);
            }
        }
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert_eq!(map(usize::MAX & !(PAGE - 1)), None);
        assert_eq!(map(1 << 62), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn untouched_pages_are_seen() {
        let bytes = 64 << 20;
        let block = map(bytes).unwrap();
        assert_eq!(untouched(block, bytes), bytes);
        // SAFETY: the mapping holds `bytes` bytes and is unmapped once, after its last use.
        unsafe {
            block.as_ptr().write_bytes(1, bytes / 2);
            assert!(untouched(block, bytes).abs_diff(bytes / 2) <= bytes / 16);
            block.as_ptr().write_bytes(1, bytes);
            assert_eq!(untouched(block, bytes), 0);
            unmap(block, bytes);
        }
    }
}
