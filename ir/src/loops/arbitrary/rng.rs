//! Random numbers that are the same everywhere, and values that are worth trying.

use crate::dtype::{DType, Literal};
use crate::loops::Elem;

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

const INT_EDGES: [i64; 11] =
    [0, 1, -1, 2, 7, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN, 1 << 32, 0xff];

/// Zeros, ties, borders of the integers, subnormal and huge numbers, infinities, NaN.
const FLOAT_EDGES: [f64; 22] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -3.5,
    0.1,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    1e-45,
    -1e-310,
    f32::MIN_POSITIVE as f64,
    f32::MAX as f64,
    f64::MAX,
    2147483647.0,
    -2147483648.0,
    9223372036854774784.0,
    8388607.5,
];

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is small and not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        (self.next_u64() >> 16) % n
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'s, T>(&mut self, from: &'s [T]) -> &'s T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// In `-8..=8`.
    pub fn small(&mut self) -> i64 {
        self.below(17) as i64 - 8
    }

    fn int(&mut self) -> i64 {
        match self.below(3) {
            0 => *self.pick(&INT_EDGES),
            1 => self.small(),
            _ => self.next_u64() as i64,
        }
    }

    fn float(&mut self) -> f64 {
        match self.below(3) {
            0 => *self.pick(&FLOAT_EDGES),
            1 => (self.below(2001) as f64 - 1000.0) / 64.0,
            _ => f64::from_bits(self.next_u64()),
        }
    }

    /// The bits of one register lane.
    pub fn lane(&mut self, elem: Elem) -> u64 {
        match elem {
            Elem::Mask => self.below(2),
            Elem::I32 => self.int() as u32 as u64,
            Elem::I64 => self.int() as u64,
            Elem::F32 => match self.below(4) {
                0 => self.next_u64() as u32 as u64,
                _ => (self.float() as f32).to_bits() as u64,
            },
            Elem::F64 => self.float().to_bits(),
        }
    }

    /// A buffer of `n` elements. A stored bool may be any byte.
    pub fn elements(&mut self, mem: DType, n: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(n * mem.size());
        for _ in 0..n {
            let bits = match mem {
                DType::Bool => self.next_u64() & self.next_u64() & self.next_u64(),
                DType::F32 => self.lane(Elem::F32),
                DType::F64 => self.lane(Elem::F64),
                DType::F16 | DType::BF16 => Literal::from_f64(mem, self.float()).bits,
                _ => self.int() as u64,
            };
            bytes.extend_from_slice(&bits.to_le_bytes()[..mem.size()]);
        }
        bytes
    }
}
