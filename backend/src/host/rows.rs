//! Rows of elements in their order.

use crate::buffer::Buffer;
use rustorch_ir::DType;
use rustorch_ir::routine::sort_key;

/// The rows of `x`, `rows` of `width` elements of `dtype` each, in order as words are, and which of them in that order are
/// unlike the one before. Without `sorted` they stay as they are. Equal rows keep their order; NaN is unlike itself.
pub fn in_order(x: &Buffer, dtype: DType, rows: usize, width: usize, sorted: bool) -> (Vec<i64>, Vec<bool>) {
    let size = dtype.size();
    // SAFETY: any bytes are bytes, and the buffer lives as long as the slice.
    let bytes: &[u8] = unsafe { x.as_slice() };
    let keys: Vec<u64> = (bytes.chunks_exact(size).take(rows * width))
        .map(|element| {
            let mut bits = [0; 8];
            bits[..size].copy_from_slice(element);
            sort_key(dtype, u64::from_le_bytes(bits))
        })
        .collect();
    let row = |place: i64| &keys[place as usize * width..(place as usize + 1) * width];
    let mut order: Vec<i64> = (0..rows as i64).collect();
    if sorted {
        order.sort_by(|&a, &b| row(a).cmp(row(b)));
    }
    let nan = if dtype.is_float() { Some(u64::MAX >> (64 - 8 * size)) } else { None };
    let unlike = |a: i64, b: i64| row(a) != row(b) || row(a).iter().any(|&key| Some(key) == nan);
    let new = (0..rows).map(|i| i == 0 || unlike(order[i - 1], order[i])).collect();
    (order, new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_compare_as_words_do() {
        let x = Buffer::from_slice(&[2.0f32, 1.0, 1.0, 5.0, 2.0, 1.0, 1.0, -0.0, 1.0, 0.0]).unwrap();
        let (order, new) = in_order(&x, DType::F32, 5, 2, true);
        assert_eq!(order, [3, 4, 1, 0, 2]);
        assert_eq!(new, [true, false, true, true, false]);
        assert_eq!(
            in_order(&x, DType::F32, 5, 2, false),
            (vec![0, 1, 2, 3, 4], vec![true, true, true, true, false])
        );
    }

    #[test]
    fn a_nan_is_unlike_itself() {
        let x = Buffer::from_slice(&[f64::NAN, 1.0, f64::NAN]).unwrap();
        assert_eq!(in_order(&x, DType::F64, 3, 1, true), (vec![1, 0, 2], vec![true, true, true]));
        let ones = Buffer::from_slice(&[255u8, 255]).unwrap();
        assert_eq!(in_order(&ones, DType::U8, 2, 1, true).1, [true, false]);
    }
}
