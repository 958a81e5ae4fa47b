//! Stable sorting along an axis.

use crate::dtype::DType;
use crate::parse::{Cursor, Parse};
use std::fmt;

/// The `keep` sorted elements of each row from number `first` on, and their places in it as I64: of equal elements, and NaN are
/// equal, the one that came first stays first. Rows run along the middle axis of `outer x extent x inner`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sort {
    pub dtype: DType,
    pub outer: usize,
    pub extent: usize,
    pub inner: usize,
    pub first: usize,
    pub keep: usize,
    pub descending: bool,
}

/// A number that grows with the element of these stored bits: NaN, whatever its bits, is beyond all numbers, and the
/// zeros are equal.
#[inline]
pub fn sort_key(dtype: DType, bits: u64) -> u64 {
    let float = |width: u32, infinity: u64| {
        let sign = 1u64 << (width - 1);
        let magnitude = bits & (sign - 1);
        // The magnitude with its sign, without a branch that would be guessed wrong half the time.
        let negative = 0u64.wrapping_sub(bits >> (width - 1));
        let key = sign.wrapping_add((magnitude ^ negative).wrapping_sub(negative));
        if magnitude > infinity { (sign << 1).wrapping_sub(1) } else { key }
    };
    match dtype {
        DType::Bool => u64::from(bits != 0),
        DType::U8 => bits,
        DType::I8 => bits ^ 0x80,
        DType::I16 => bits ^ 0x8000,
        DType::I32 => bits ^ 0x8000_0000,
        DType::I64 => bits ^ (1 << 63),
        DType::F16 => float(16, 0x7c00),
        DType::BF16 => float(16, 0x7f80),
        DType::F32 => float(32, 0x7f80_0000),
        DType::F64 => float(64, 0x7ff0_0000_0000_0000),
    }
}

impl Sort {
    pub(super) fn run(&self, input: &[u8], outputs: &mut [Vec<u8>]) {
        let size = self.dtype.size();
        let element = |at: usize| &input[at * size..(at + 1) * size];
        let key = |at: usize| {
            let mut bits = [0; 8];
            bits[..size].copy_from_slice(element(at));
            sort_key(self.dtype, u64::from_le_bytes(bits))
        };
        for (o, i) in (0..self.outer).flat_map(|o| (0..self.inner).map(move |i| (o, i))) {
            let from = |place: usize| (o * self.extent + place) * self.inner + i;
            let mut places: Vec<usize> = (0..self.extent).collect();
            if self.descending {
                places.sort_by_key(|&p| std::cmp::Reverse(key(from(p))));
            } else {
                places.sort_by_key(|&p| key(from(p)));
            }
            for (rank, &place) in places[self.first..][..self.keep].iter().enumerate() {
                let to = (o * self.keep + rank) * self.inner + i;
                outputs[0][to * size..(to + 1) * size].copy_from_slice(element(from(place)));
                outputs[1][to * 8..(to + 1) * 8].copy_from_slice(&(place as i64).to_le_bytes());
            }
        }
    }

    pub(super) fn parse(c: &mut Cursor<'_>) -> Parse<Sort> {
        c.symbol("<")?;
        let dtype = c.dtype()?;
        c.symbol(",")?;
        let outer = c.integer("a number of rows")?;
        c.symbol("x")?;
        let extent = c.integer("an extent")?;
        c.symbol("x")?;
        let inner = c.integer("a number of rows")?;
        c.symbol(", keep ")?;
        let first = c.integer("the first that is kept")?;
        c.symbol("+")?;
        let keep = c.integer("a number of elements")?;
        let descending = c.take(", descending");
        c.symbol(">")?;
        Ok(Sort { dtype, outer, extent, inner, first, keep, descending })
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sort { dtype, outer, extent, inner, first, keep, descending } = self;
        write!(f, "sort<{dtype}, {outer} x {extent} x {inner}, keep {first} + {keep}")?;
        f.write_str(if *descending { ", descending>" } else { ">" })
    }
}
