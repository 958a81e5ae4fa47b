//! `exponential_`, `geometric_`, `cauchy_` and `log_normal_`: inverse transforms in f64, cast to the element type.

use super::{Element, Generator, RandomError, Real, unit_f64};

impl Generator {
    /// `exponential_(lambda)`: two engine words an element.
    pub fn fill_exponential<T: Real>(&mut self, out: &mut [T], lambda: f64) -> Result<(), RandomError> {
        require(lambda > 0.0, "exponential_", "lambda > 0.0, but found lambda=", lambda)?;
        let scale = -1.0 / lambda;
        self.fill_from_u64(out, |word| T::from_f64(scale * (-unit_f64(word)).ln_1p()));
        Ok(())
    }

    /// `geometric_(p)`: two engine words an element.
    pub fn fill_geometric<T: Element>(&mut self, out: &mut [T], p: f64) -> Result<(), RandomError> {
        require(0.0 < p && p < 1.0, "geometric_", "p to be in (0, 1), but got p=", p)?;
        let failure = (-p).ln_1p();
        self.fill_from_u64(out, |word| T::from_f64((unit_f64(word).ln() / failure).ceil()));
        Ok(())
    }

    /// `cauchy_(median, sigma)`: two engine words an element.
    pub fn fill_cauchy<T: Real>(
        &mut self,
        out: &mut [T],
        median: f64,
        sigma: f64,
    ) -> Result<(), RandomError> {
        require(sigma > 0.0, "cauchy_", "sigma > 0.0, but found sigma=", sigma)?;
        self.fill_from_u64(out, |word| {
            let unit = (std::f64::consts::PI * (unit_f64(word) - 0.5)).tan();
            T::from_f64(sigma.mul_add(unit, median))
        });
        Ok(())
    }

    /// `log_normal_(mean, std)`: the scalar normal's draws, and its spare, as [`Generator::fill_normal_strided`].
    pub fn fill_log_normal<T: Real>(
        &mut self,
        out: &mut [T],
        mean: f64,
        std: f64,
    ) -> Result<(), RandomError> {
        require(std > 0.0, "log_normal_", "std > 0.0, but found std=", std)?;
        out.iter_mut().for_each(|x| *x = T::from_f64(self.next_normal(mean, std).exp()));
        Ok(())
    }
}

fn require(holds: bool, op: &'static str, expects: &'static str, value: f64) -> Result<(), RandomError> {
    if holds { Ok(()) } else { Err(RandomError::Parameter { op, expects, value }) }
}
