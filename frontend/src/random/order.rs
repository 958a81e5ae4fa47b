//! The order in which torch walks a strided output.

/// The axes from outermost to innermost, as a fill of a tensor with these strides visits them: by descending stride,
/// and among equal strides by descending size. A transposed matrix is thus filled in the order of its storage.
///
/// Axes of size one may stand anywhere. Strides are in elements and not negative, as torch's are.
pub fn memory_order(sizes: &[usize], strides: &[isize]) -> Vec<usize> {
    let mut axes: Vec<usize> = (0..sizes.len()).collect();
    axes.sort_by_key(|&axis| std::cmp::Reverse((strides[axis], sizes[axis])));
    axes
}
