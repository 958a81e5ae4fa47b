//! `uniform_` and `bernoulli_`.

use super::{Element, Generator, RandomError, Real, unit_f32, unit_f64};

impl Generator {
    /// `uniform_(from, to)`: one engine word an element, two for f64.
    ///
    /// Half types are drawn in f32. A value that rounds up to `to` becomes `from`.
    pub fn fill_uniform<T: Real>(&mut self, out: &mut [T], from: f64, to: f64) -> Result<(), RandomError> {
        check_uniform::<T>(from, to)?;
        let (first, last) = (T::from_f64(from), T::from_f64(to));
        let clamp = |value: T| if value == last { first } else { value };
        if T::DOUBLE {
            let span = to - from;
            self.fill_from_u64(out, |word| clamp(T::from_f64(affine_f64(unit_f64(word), span, from))));
        } else {
            let (from, span) = (from as f32, to as f32 - from as f32);
            self.fill_from_u32(out, |word| clamp(T::from_f32(affine_f32(unit_f32(word), span, from))));
        }
        Ok(())
    }

    /// `bernoulli_(p)`: two engine words an element.
    pub fn fill_bernoulli<T: Element>(&mut self, out: &mut [T], p: f64) -> Result<(), RandomError> {
        if !(0.0..=1.0).contains(&p) {
            return Err(RandomError::Parameter {
                op: "bernoulli_",
                expects: "p to be in [0, 1], but got p=",
                value: p,
            });
        }
        self.fill_from_u64(out, |word| T::from_i64((unit_f64(word) < p).into()));
        Ok(())
    }

    /// `bernoulli_(probabilities)` and `bernoulli(probabilities)`: one engine word an element, two where the
    /// probabilities are f64. Elements before a bad probability are drawn, as in torch.
    pub fn fill_bernoulli_with<T: Element, P: Real>(
        &mut self,
        out: &mut [T],
        probabilities: &[P],
    ) -> Result<(), RandomError> {
        for (x, p) in out.iter_mut().zip(probabilities) {
            let p = p.to_f64();
            if !(0.0..=1.0).contains(&p) {
                return Err(RandomError::Probability);
            }
            let draw = if P::DOUBLE { self.unit_f64() } else { f64::from(self.unit_f32()) };
            *x = T::from_i64((draw < p).into());
        }
        Ok(())
    }
}

fn check_uniform<T: Real>(from: f64, to: f64) -> Result<(), RandomError> {
    for (name, bound) in [("from", from), ("to", to)] {
        if !(T::LOWEST..=T::HIGHEST).contains(&bound) {
            return Err(RandomError::OutOfBounds { name, dtype: T::NAME });
        }
    }
    if from > to {
        return Err(RandomError::UniformOrder { from, to });
    }
    if to - from > T::HIGHEST {
        return Err(RandomError::UniformWidth { dtype: T::SCALAR_NAME, from, to });
    }
    Ok(())
}

/// `x * span + from` with one rounding, as torch's builds for FMA machines contract it. With `from == 0` the plain
/// product is that already.
///
/// Without an FMA instruction the sum is made in f64, where the product is exact. It is then rounded twice, which
/// matters only if the first rounding ended half-way between two f32; then the C library's exact `fmaf` decides.
#[inline(always)]
fn affine_f32(x: f32, span: f32, from: f32) -> f32 {
    const BELOW_F32: u64 = (1 << 29) - 1;
    const TIE: u64 = 1 << 28;
    if from == 0.0 {
        return x * span;
    }
    let sum = f64::from(x) * f64::from(span) + f64::from(from);
    let narrow = sum as f32;
    let sure = sum.to_bits() & BELOW_F32 != TIE && narrow.is_normal();
    if sure { narrow } else { x.mul_add(span, from) }
}

#[inline(always)]
fn affine_f64(x: f64, span: f64, from: f64) -> f64 {
    if from == 0.0 { x * span } else { x.mul_add(span, from) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_affine_map_rounds_once() {
        let mut generator = Generator::with_seed(1);
        for exponent in -149..127 {
            let mut draw = || {
                (generator.unit_f32() - 0.5) * 2f32.powi(exponent / 2) * 2f32.powi(exponent - exponent / 2)
            };
            let (span, from) = (draw(), draw());
            for _ in 0..100 {
                let x = generator.unit_f32();
                assert_eq!(affine_f32(x, span, from), x.mul_add(span, from), "{x:e} {span:e} {from:e}");
            }
            // Spans of few bits often give exact ties.
            for x in [0.5 - 2f32.powi(-24), 2f32.powi(-24), 3.0 * 2f32.powi(-24)] {
                assert_eq!(affine_f32(x, 2.0, -1.0), x.mul_add(2.0, -1.0));
                assert_eq!(affine_f32(x, 1.0, 1.0), x.mul_add(1.0, 1.0));
            }
        }
    }
}
