//! `normal_`, by the two algorithms of torch's CPU code.

use super::box_muller::{BLOCK, transform_f32, transform_f64};
use super::{Generator, RandomError, Real, unit_f32, unit_f64};

impl Generator {
    /// `normal_(mean, std)` into a contiguous tensor, hence also `randn`.
    ///
    /// From 16 elements on, blocks of 16 uniforms are transformed, and a ragged end is filled by drawing the last 16
    /// elements once more. f32 and f64 draw all uniforms before the redrawn ones (one word an element, two for f64);
    /// half types draw in f32 block by block, and nothing for the ragged end but its 16. Below 16 elements it is
    /// [`Generator::fill_normal_strided`].
    pub fn fill_normal<T: NormalBlocks>(
        &mut self,
        out: &mut [T],
        mean: f64,
        std: f64,
    ) -> Result<(), RandomError> {
        if out.len() < BLOCK {
            return self.fill_normal_strided(out, mean, std);
        }
        check_std(std)?;
        T::fill_blocks(self, out, mean, std);
        Ok(())
    }

    /// `normal_(mean, std)` into a tensor that is not contiguous, its elements given in memory order.
    ///
    /// Each pair of values costs two 53-bit draws, four engine words; the second value waits in the generator, across
    /// calls and dtypes, for the next element filled this way.
    pub fn fill_normal_strided<T: Real>(
        &mut self,
        out: &mut [T],
        mean: f64,
        std: f64,
    ) -> Result<(), RandomError> {
        check_std(std)?;
        out.iter_mut().for_each(|x| *x = T::from_f64(self.next_normal(mean, std)));
        Ok(())
    }

    pub(super) fn next_normal(&mut self, mean: f64, std: f64) -> f64 {
        let unit = self.cached_normal.take().unwrap_or_else(|| {
            let u1 = self.unit_f64();
            let u2 = self.unit_f64();
            let radius = (-2.0 * (-u2).ln_1p()).sqrt();
            let theta = std::f64::consts::TAU * u1;
            self.cached_normal = Some(radius * theta.sin());
            radius * theta.cos()
        });
        unit.mul_add(std, mean)
    }
}

fn check_std(std: f64) -> Result<(), RandomError> {
    if std >= 0.0 {
        return Ok(());
    }
    Err(RandomError::Parameter { op: "normal", expects: "std >= 0.0, but found std ", value: std })
}

/// The blocked fill of at least 16 elements.
pub trait NormalBlocks: Real {
    fn fill_blocks(generator: &mut Generator, out: &mut [Self], mean: f64, std: f64);
}

macro_rules! in_place {
    ($type:ty, $fill:ident, $unit:ident, $transform:ident) => {
        impl NormalBlocks for $type {
            fn fill_blocks(generator: &mut Generator, out: &mut [Self], mean: f64, std: f64) {
                generator.$fill(out, $unit);
                let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
                $transform(blocks, mean as $type, std as $type);
                if !rest.is_empty()
                    && let Some(last) = out.last_chunk_mut::<BLOCK>()
                {
                    generator.$fill(last, $unit);
                    $transform(std::slice::from_mut(last), mean as $type, std as $type);
                }
            }
        }
    };
}

in_place!(f32, fill_from_u32, unit_f32, transform_f32);
in_place!(f64, fill_from_u64, unit_f64, transform_f64);

/// Blocks that a half type passes through f32 at a time.
const GROUP: usize = 32;

macro_rules! through_f32 {
    ($($type:ty),*) => {$(
        impl NormalBlocks for $type {
            fn fill_blocks(generator: &mut Generator, out: &mut [Self], mean: f64, std: f64) {
                let mut buffer = [[0.0; BLOCK]; GROUP];
                let mut fill = |blocks: &mut [[Self; BLOCK]]| {
                    let buffer = &mut buffer[..blocks.len()];
                    generator.fill_from_u32(buffer.as_flattened_mut(), unit_f32);
                    transform_f32(buffer, mean as f32, std as f32);
                    blocks.iter_mut().zip(buffer).for_each(|(block, buffer)| *block = buffer.map(Self::from_f32));
                };
                let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
                blocks.chunks_mut(GROUP).for_each(&mut fill);
                if !rest.is_empty() && let Some(last) = out.last_chunk_mut::<BLOCK>() {
                    fill(std::slice::from_mut(last));
                }
            }
        }
    )*};
}

through_f32!(half::f16, half::bf16);
