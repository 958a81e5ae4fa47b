//! The 5056 bytes in which torch serialises its CPU generator, so that states can be exchanged both ways.
//!
//! Little-endian, as on every host torch supports:
//!
//! | offset | type | what |
//! |---|---|---|
//! | 0 | u64 | initial seed |
//! | 8 | i32 | words left before the next twist, plus one |
//! | 12 | i32 | 1: seeded |
//! | 16 | u64 | index of the next word |
//! | 24 | 624 × u64 | words, one in the low half of each |
//! | 5016 | 3 × f64 | unused, cached normal, unused |
//! | 5040 | i32, padded | whether the cached normal is valid |
//! | 5048 | f32 | cached single-precision normal |
//! | 5052 | bool, padded | whether that is valid |

use super::mersenne::{Mersenne, Parts};
use super::{Generator, RandomError};

/// Length of a serialised state.
pub const STATE_BYTES: usize = 5056;

const WORDS: usize = 24;
const CACHED: usize = 5024;
const CACHED_VALID: usize = 5040;
const CACHED_F32: usize = 5048;
const CACHED_F32_VALID: usize = 5052;

impl Generator {
    pub fn state(&self) -> Vec<u8> {
        let mut bytes = vec![0; STATE_BYTES];
        let parts = self.engine.parts();
        put(&mut bytes, 0, parts.seed.to_le_bytes());
        put(&mut bytes, 8, parts.left.to_le_bytes());
        put(&mut bytes, 12, 1i32.to_le_bytes());
        put(&mut bytes, 16, u64::from(parts.next).to_le_bytes());
        for (index, &word) in parts.words.iter().enumerate() {
            put(&mut bytes, WORDS + 8 * index, u64::from(word).to_le_bytes());
        }
        if let Some(value) = self.cached_normal {
            put(&mut bytes, CACHED, value.to_le_bytes());
            put(&mut bytes, CACHED_VALID, 1i32.to_le_bytes());
        }
        if let Some(value) = self.cached_normal_f32 {
            put(&mut bytes, CACHED_F32, value.to_le_bytes());
            bytes[CACHED_F32_VALID] = 1;
        }
        bytes
    }

    /// Leaves the generator untouched when the state is refused.
    pub fn set_state(&mut self, bytes: &[u8]) -> Result<(), RandomError> {
        let bytes: &[u8; STATE_BYTES] =
            bytes.try_into().map_err(|_| RandomError::StateSize { found: bytes.len() })?;
        let seeded = i32::from_le_bytes(get(bytes, 12)) != 0;
        let left = u32::try_from(i32::from_le_bytes(get(bytes, 8)));
        let next = u64::from_le_bytes(get(bytes, 16)) as u32;
        let words = std::array::from_fn::<u32, { Mersenne::WORDS }, _>(|index| {
            u64::from_le_bytes(get(bytes, WORDS + 8 * index)) as u32
        });
        let seed = u64::from_le_bytes(get(bytes, 0));
        let engine = match left {
            Ok(left) if seeded && next as usize <= Mersenne::WORDS => {
                Mersenne::from_parts(Parts { seed, left, next, words: &words })
            }
            _ => None,
        };
        self.engine = engine.ok_or(RandomError::StateInvalid)?;
        self.cached_normal = (i32::from_le_bytes(get(bytes, CACHED_VALID)) != 0)
            .then(|| f64::from_le_bytes(get(bytes, CACHED)));
        self.cached_normal_f32 =
            (bytes[CACHED_F32_VALID] != 0).then(|| f32::from_le_bytes(get(bytes, CACHED_F32)));
        Ok(())
    }
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

fn get<const N: usize>(bytes: &[u8; STATE_BYTES], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}
