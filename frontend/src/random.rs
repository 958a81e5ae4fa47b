//! Random numbers equal to those of torch's CPU generator, bit for bit and in the same order of consumption.
//!
//! A [`Generator`] is an MT19937 engine plus the second value of the last scalar Box-Muller pair. Every fill documents
//! how many engine words an element costs, because interleaved calls agree with torch only if each call consumes what
//! torch consumes. Fills take the elements in *memory order* (see [`memory_order`]): torch walks a strided output from
//! its largest stride to its smallest, whatever the order of its logical axes.
//!
//! **Dropout.** torch's CPU `dropout(x, p)` with `0 < p < 1` draws `bernoulli_(1 - p)` into a tensor like `x`: one
//! 53-bit draw, that is two engine words, per element in memory order. `p == 0`, `p == 1`, `train=False` and an empty
//! input draw nothing. In rustorch a dropout mask is computed inside the kernel from a counter-based Philox stream
//! instead, so its values differ from torch's. Each call takes one [`PhiloxKey`] (four engine words) when it is
//! *recorded*, under the same conditions under which torch would draw; so a seed reproduces a run, and dead code or a
//! different fusion shifts nothing.
//!
//! **Where torch differs from itself.** On Intel processors torch built with MKL draws scalar-`p` `bernoulli_` and
//! `exponential_` from MKL's own streams, seeded by one engine word. The numbers here are those of every other
//! machine. The scalar `normal_` path and the distributions built on `log`, `sin`, `cos`, `tan` and `exp` use the C
//! library's functions, as torch does; on a host with another C library they may differ in the last bit.

mod box_muller;
mod distributions;
mod element;
mod error;
mod integers;
mod mersenne;
mod multinomial;
mod normal;
mod order;
mod permutation;
mod state;
mod uniform;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

pub use element::{Element, Real};
pub use error::RandomError;
pub use integers::precision_warnings;
pub use multinomial::Draw;
pub use normal::NormalBlocks;
pub use order::memory_order;
pub use state::STATE_BYTES;

use mersenne::Mersenne;

/// The seed of a `Generator()` that nobody seeded, as in torch.
pub const DEFAULT_SEED: u64 = 67_280_421_310_721;

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Generator {
    engine: Mersenne,
    /// The sine half of the last scalar Box-Muller pair, waiting to be used.
    cached_normal: Option<f64>,
    /// torch's state has a place for a single-precision spare, which its CPU code never fills. Kept for round trips.
    cached_normal_f32: Option<f32>,
}

/// Key and first counter of one in-kernel Philox draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhiloxKey {
    pub key: u64,
    pub offset: u64,
}

impl Generator {
    pub fn new() -> Self {
        Self::with_seed(DEFAULT_SEED)
    }

    pub fn with_seed(seed: u64) -> Self {
        Self { engine: Mersenne::new(seed), cached_normal: None, cached_normal_f32: None }
    }

    /// Restarts the stream. A negative Python seed is passed as its two's complement.
    pub fn manual_seed(&mut self, seed: u64) {
        *self = Self::with_seed(seed);
    }

    /// Seeds from the operating system and returns the seed.
    pub fn seed(&mut self) -> u64 {
        let seed = entropy();
        self.manual_seed(seed);
        seed
    }

    /// The seed last given, or taken by [`Generator::seed`], or found in a state.
    pub fn initial_seed(&self) -> u64 {
        self.engine.seed()
    }

    /// A fresh key and counter for draws made inside kernels: four engine words, no two calls alike.
    pub fn philox_key(&mut self) -> PhiloxKey {
        PhiloxKey { key: self.next_u64(), offset: self.next_u64() }
    }

    /// One engine word.
    pub fn next_u32(&mut self) -> u32 {
        self.engine.next()
    }

    /// Two engine words, the first one high.
    pub fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.engine.next());
        high << 32 | u64::from(self.engine.next())
    }

    /// Uniform in [0, 1) on a grid of 2^-24: one engine word.
    fn unit_f32(&mut self) -> f32 {
        unit_f32(self.next_u32())
    }

    /// Uniform in [0, 1) on a grid of 2^-53: two engine words.
    fn unit_f64(&mut self) -> f64 {
        unit_f64(self.next_u64())
    }

    /// `out[i] = convert(next_u32())`, in bulk.
    fn fill_from_u32<T>(&mut self, out: &mut [T], convert: impl Fn(u32) -> T) {
        let mut words = [0; CHUNK];
        for chunk in out.chunks_mut(CHUNK) {
            let words = &mut words[..chunk.len()];
            self.engine.fill(words);
            chunk.iter_mut().zip(words).for_each(|(x, &mut word)| *x = convert(word));
        }
    }

    /// `out[i] = convert(next_u64())`, in bulk.
    fn fill_from_u64<T>(&mut self, out: &mut [T], convert: impl Fn(u64) -> T) {
        let mut words = [0; CHUNK];
        for chunk in out.chunks_mut(CHUNK / 2) {
            let words = &mut words[..2 * chunk.len()];
            self.engine.fill(words);
            let (pairs, _) = words.as_chunks::<2>();
            chunk
                .iter_mut()
                .zip(pairs)
                .for_each(|(x, &[high, low])| *x = convert(u64::from(high) << 32 | u64::from(low)));
        }
    }
}

/// Engine words buffered by a bulk fill.
const CHUNK: usize = 512;

#[inline(always)]
fn unit_f32(word: u32) -> f32 {
    (word & 0x00ff_ffff) as i32 as f32 * (1.0 / 16_777_216.0)
}

/// The 53 bits are converted in two exact halves, which the baseline x86-64 instructions can do on vectors.
#[inline(always)]
fn unit_f64(word: u64) -> f64 {
    let high = (word >> 32) as i32 & 0x001f_ffff;
    let low = (word as u32 ^ 0x8000_0000) as i32;
    (f64::from(high) * 4_294_967_296.0 + (f64::from(low) + 2_147_483_648.0)) * (1.0 / 9_007_199_254_740_992.0)
}

impl Default for Generator {
    fn default() -> Self {
        Self::new()
    }
}

/// The process-wide generator, seeded from the operating system until `manual_seed` is called.
///
/// A panic while the lock is held leaves a usable generator behind, so poisoning is ignored.
pub fn default_generator() -> MutexGuard<'static, Generator> {
    static DEFAULT: OnceLock<Mutex<Generator>> = OnceLock::new();
    let generator = DEFAULT.get_or_init(|| Mutex::new(Generator::with_seed(entropy())));
    generator.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 53 unpredictable bits: torch's seeds are exact as Python floats too.
fn entropy() -> u64 {
    RandomState::new().build_hasher().finish() & 0x001f_ffff_ffff_ffff
}
