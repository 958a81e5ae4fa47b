//! How the rows or columns of a matrix lie in a buffer.

use std::fmt;

/// Where number `i` of the rows or columns lies, in elements.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Walk {
    /// All of them this far apart.
    Even(i64),
    /// Through several axes of an extent and a stride each, the last one fastest.
    Axes(Box<[(usize, i64)]>),
}

impl Walk {
    /// Through these axes; neighbours that one stride walks are one.
    pub fn through(axes: impl IntoIterator<Item = (usize, i64)>) -> Walk {
        let mut merged: Vec<(usize, i64)> = Vec::new();
        for (extent, stride) in axes.into_iter().filter(|axis| axis.0 != 1) {
            match merged.last_mut() {
                Some(outer) if outer.1 == stride * extent as i64 => *outer = (outer.0 * extent, stride),
                _ => merged.push((extent, stride)),
            }
        }
        match merged.as_slice() {
            [] => Walk::Even(1),
            [(_, stride)] => Walk::Even(*stride),
            _ => Walk::Axes(merged.into()),
        }
    }

    /// The distance between any two neighbours, if it is always the same.
    pub fn stride(&self) -> Option<i64> {
        match self {
            Walk::Even(stride) => Some(*stride),
            Walk::Axes(_) => None,
        }
    }

    pub fn offset(&self, number: usize) -> i64 {
        match self {
            Walk::Even(stride) => number as i64 * stride,
            Walk::Axes(axes) => {
                let mut rest = number;
                axes.iter()
                    .rev()
                    .map(|&(extent, stride)| {
                        let at = rest % extent.max(1);
                        rest /= extent.max(1);
                        at as i64 * stride
                    })
                    .sum()
            }
        }
    }

    /// Where the first `count` lie.
    pub fn offsets(&self, count: usize) -> Vec<i64> {
        match self {
            Walk::Even(stride) => (0..count as i64).map(|number| number * stride).collect(),
            Walk::Axes(axes) => {
                let mut all = vec![0];
                for &(extent, stride) in axes.iter() {
                    all =
                        all.iter().flat_map(|&at| (0..extent as i64).map(move |i| at + i * stride)).collect();
                }
                all.truncate(count);
                all
            }
        }
    }

    /// How many of `count` rows or columns are different elements, as far as strides of 0 tell.
    pub fn distinct(&self, count: usize) -> usize {
        match self {
            Walk::Even(0) => count.min(1),
            Walk::Even(_) => count,
            Walk::Axes(axes) => {
                axes.iter().map(|&(extent, stride)| if stride == 0 { 1 } else { extent }).product()
            }
        }
    }
}

/// `3`, or `[2:12,4:1]`.
impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Walk::Even(stride) => write!(f, "{stride}"),
            Walk::Axes(axes) => {
                for (i, (extent, stride)) in axes.iter().enumerate() {
                    write!(f, "{}{extent}:{stride}", if i == 0 { "[" } else { "," })?;
                }
                f.write_str("]")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_stride_are_one() {
        assert_eq!(Walk::through([(4, 6), (1, 100), (3, 2)]), Walk::Even(2));
        assert_eq!(Walk::through([(1, 5)]), Walk::Even(1));
        let two = Walk::through([(2, 50), (4, 7), (3, 2)]);
        assert_eq!(two.to_string(), "[2:50,4:7,3:2]");
        assert_eq!((0..7).map(|i| two.offset(i)).collect::<Vec<_>>(), [0, 2, 4, 7, 9, 11, 14]);
        assert_eq!(two.offsets(24), (0..24).map(|i| two.offset(i)).collect::<Vec<_>>());
        assert_eq!((two.offset(12), two.stride()), (50, None));
    }
}
