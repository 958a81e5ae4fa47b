//! Values that a program's structure depends on: indices to be checked, and masks to be counted.
//!
//! All functions read the whole of what they are given at the call. By the rules of [`Buffer`] nothing may write it
//! meanwhile: they are for results that are complete and that no one changes.

use crate::alloc::AllocError;
use crate::buffer::Buffer;
use rustorch_ir::DType;
use smallvec::SmallVec;

/// Elements of a buffer: the first lies `offset` elements into it.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    pub buffer: &'a Buffer,
    pub dtype: DType,
    pub offset: usize,
    pub sizes: &'a [usize],
    pub strides: &'a [i64],
}

impl Strided<'_> {
    fn numel(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Panics unless all elements lie within the buffer.
    fn check(&self) {
        assert_eq!(self.sizes.len(), self.strides.len(), "one stride for each size");
        let (mut low, mut high) = (self.offset as i128, self.offset as i128);
        for (&n, &stride) in self.sizes.iter().zip(self.strides) {
            let reach = (n as i128 - 1) * stride as i128;
            *(if reach < 0 { &mut low } else { &mut high }) += reach;
        }
        let capacity = (self.buffer.len() / self.dtype.size()) as i128;
        assert!(low >= 0 && high < capacity, "elements lie outside of their buffer");
    }

    /// Sizes and strides, neighbouring axes that one stride walks made one.
    fn axes(&self) -> SmallVec<[(usize, i64); 4]> {
        let mut axes: SmallVec<[(usize, i64); 4]> = SmallVec::new();
        for (&n, &stride) in self.sizes.iter().zip(self.strides).filter(|a| *a.0 != 1) {
            match axes.last_mut() {
                Some(outer) if outer.1 == stride * n as i64 => *outer = (outer.0 * n, stride),
                _ => axes.push((n, stride)),
            }
        }
        axes
    }

    /// Calls `f` with runs of elements in row-major order: start and stride, in elements, and length.
    fn runs(&self, mut f: impl FnMut(usize, i64, usize)) {
        let axes = self.axes();
        let Some((&(length, stride), outer)) = axes.split_last() else { return f(self.offset, 1, 1) };
        let mut index: SmallVec<[usize; 4]> = SmallVec::from_elem(0, outer.len());
        let mut start = self.offset as i64;
        for _ in 0..outer.iter().map(|a| a.0).product() {
            f(start as usize, stride, length);
            for (index, &(n, stride)) in index.iter_mut().zip(outer).rev() {
                *index += 1;
                start += stride;
                if *index < n {
                    break;
                }
                start -= stride * n as i64;
                *index = 0;
            }
        }
    }

    /// Calls `f` with the elements in row-major order, as many at once as lie side by side.
    fn each<T: Copy>(&self, mut f: impl FnMut(&[T])) {
        if self.numel() == 0 {
            return;
        }
        self.check();
        // SAFETY: the elements lie within the buffer, which is aligned to more than any element; results that are
        // complete are initialised, and nothing writes them.
        let values: &[T] = unsafe { self.buffer.as_slice() };
        self.runs(|start, stride, length| {
            if stride == 1 {
                return f(&values[start..start + length]);
            }
            for i in 0..length as i64 {
                f(std::slice::from_ref(&values[(start as i64 + i * stride) as usize]));
            }
        });
    }
}

macro_rules! by_integer {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::Bool | DType::U8 => {
                type $T = u8;
                Some($body)
            }
            DType::I8 => {
                type $T = i8;
                Some($body)
            }
            DType::I16 => {
                type $T = i16;
                Some($body)
            }
            DType::I32 => {
                type $T = i32;
                Some($body)
            }
            DType::I64 => {
                type $T = i64;
                Some($body)
            }
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => None,
        }
    };
}

fn range<T: Copy + Ord + Into<i64>>(x: &Strided<'_>) -> (i64, i64) {
    let mut all: Option<(T, T)> = None;
    x.each(|values: &[T]| {
        let Some(&first) = values.first() else { return };
        let (low, high) = all.unwrap_or((first, first));
        let (least, greatest) = range_of(values, first);
        all = Some((low.min(least), high.max(greatest)));
    });
    all.map_or((i64::MAX, i64::MIN), |(low, high)| (low.into(), high.into()))
}

/// The least and the greatest of some elements and of `first`, with the vectors that there are.
fn range_of<T: Copy + Ord>(values: &[T], first: T) -> (T, T) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide<T: Copy + Ord>(values: &[T], first: T) -> (T, T) {
            folded(values, first)
        }
        if std::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            return unsafe { wide(values, first) };
        }
    }
    folded(values, first)
}

#[inline(always)]
fn folded<T: Copy + Ord>(values: &[T], first: T) -> (T, T) {
    values.iter().fold((first, first), |(low, high), &v| (v.min(low), v.max(high)))
}

fn list<T: Copy + Into<i64>>(x: &Strided<'_>) -> Vec<i64> {
    let mut all = Vec::with_capacity(x.numel());
    x.each(|values: &[T]| all.extend(values.iter().map(|&v| v.into())));
    all
}

/// The least and the greatest of some integers; `None` if there are none.
pub fn extremes(x: &Strided<'_>) -> Option<(i64, i64)> {
    if x.numel() == 0 { None } else { by_integer!(x.dtype, T => range::<T>(x)) }
}

/// The integers, in row-major order.
pub fn values(x: &Strided<'_>) -> Option<Vec<i64>> {
    by_integer!(x.dtype, T => list::<T>(x))
}

/// The positions, as i64, of the bytes of a buffer that are not 0.
pub fn nonzero(mask: &Buffer) -> Result<Buffer, AllocError> {
    // SAFETY: a complete result of bools is initialised, and nothing writes it.
    let bytes: &[u8] = unsafe { mask.as_slice() };
    let count: usize =
        bytes.chunks(1 << 15).map(|c| c.iter().map(|&b| u32::from(b != 0)).sum::<u32>() as usize).sum();
    let positions = Buffer::uninit(count * size_of::<i64>())?;
    let out = positions.ptr().cast::<i64>();
    let mut written = 0;
    for (word, chunk) in bytes.chunks(8).enumerate() {
        let mut padded = [0; 8];
        padded[..chunk.len()].copy_from_slice(chunk);
        if u64::from_le_bytes(padded) == 0 {
            continue;
        }
        for (i, _) in chunk.iter().enumerate().filter(|&(_, &b)| b != 0) {
            // SAFETY: `count` bytes are not 0, so `written` is below it; the block is new and nobody else's.
            unsafe { out.add(written).write((word * 8 + i) as i64) };
            written += 1;
        }
    }
    Ok(positions)
}

/// For each position in a tensor of these sizes, its index along every axis: the indices of one axis lie together.
pub fn coordinates(positions: &Buffer, sizes: &[usize]) -> Result<Buffer, AllocError> {
    // SAFETY: complete positions are initialised, and nothing writes them.
    let positions: &[i64] = unsafe { positions.as_slice() };
    let count = positions.len();
    let mut columns = vec![0i64; count * sizes.len()];
    for (i, &position) in positions.iter().enumerate() {
        let mut rest = position;
        for (axis, &size) in sizes.iter().enumerate().rev() {
            columns[axis * count + i] = rest % size as i64;
            rest /= size as i64;
        }
    }
    Buffer::from_slice(&columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_integers_are_read_in_row_major_order() {
        let buffer = Buffer::from_slice(&[0i32, 1, 2, 3, 4, -5]).unwrap();
        let x = Strided { buffer: &buffer, dtype: DType::I32, offset: 0, sizes: &[3, 2], strides: &[1, 3] };
        assert_eq!(values(&x), Some(vec![0, 3, 1, 4, 2, -5]));
        assert_eq!(extremes(&x), Some((-5, 4)));
        let none = Strided { sizes: &[3, 0], ..x };
        assert_eq!((values(&none), extremes(&none)), (Some(vec![]), None));
        let one = Strided { sizes: &[], strides: &[], offset: 5, ..x };
        assert_eq!(values(&one), Some(vec![-5]));
    }

    #[test]
    fn extremes_are_found_wherever_they_stand() {
        let (sizes, strides) = ([3, 50], [50, 1]);
        for place in [0, 1, 15, 16, 49, 77, 144, 149] {
            let mut numbers: Vec<i64> = (0..150).map(|i| i % 7).collect();
            numbers[place] = -9;
            numbers[149 - place] = i64::MAX;
            let buffer = Buffer::from_slice(&numbers).unwrap();
            let x =
                Strided { buffer: &buffer, dtype: DType::I64, offset: 0, sizes: &sizes, strides: &strides };
            assert_eq!(extremes(&x), Some((-9, i64::MAX)), "at {place}");
            let across = Strided { sizes: &[50, 3], strides: &[1, 50], ..x };
            assert_eq!(extremes(&across), Some((-9, i64::MAX)), "at {place}");
            assert_eq!(values(&across).unwrap()[3 * (place % 50) + place / 50], -9);
        }
    }

    #[test]
    fn positions_of_true() {
        let mut mask = vec![0u8; 1000];
        let want: Vec<i64> = (0..1000).filter(|i| i % 7 == 0 || (300..320).contains(i)).collect();
        want.iter().for_each(|&i| mask[i as usize] = 1);
        let found = nonzero(&Buffer::from_slice(&mask).unwrap()).unwrap();
        // SAFETY: the positions were written above.
        assert_eq!(unsafe { found.as_slice::<i64>() }, want);
        let columns = coordinates(&found, &[10, 100]).unwrap();
        // SAFETY: as above.
        let (tens, rest) = unsafe { columns.as_slice::<i64>() }.split_at(want.len());
        assert!(tens.iter().zip(rest).map(|(a, b)| a * 100 + b).eq(want));
        assert!(nonzero(&Buffer::zeroed(100).unwrap()).unwrap().is_empty());
    }
}
