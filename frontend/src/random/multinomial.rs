//! `multinomial`: indices drawn by weight.

use std::cmp::Ordering;

use super::{Generator, RandomError, Real};

/// Weights of `rows` distributions over `columns` categories, in row-major order, and how many indices each yields.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a, T> {
    pub weights: &'a [T],
    pub columns: usize,
    pub samples: usize,
    pub replacement: bool,
}

impl Generator {
    /// `multinomial(weights, samples, replacement)`: `samples` indices for each row.
    ///
    /// With replacement a sample costs two engine words and searches the cumulative weights. Without, and for a single
    /// sample either way, each *weight* costs two: weights are divided by exponential variates and the largest
    /// quotients win. Equal quotients, which occur among zero weights and in half types, go in index order, where
    /// torch's partial sort leaves their order open.
    pub fn multinomial<T: Real>(&mut self, draw: Draw<'_, T>) -> Result<Vec<i64>, RandomError> {
        let Draw { weights, columns, samples, replacement } = draw;
        if samples == 0 {
            return Err(RandomError::Multinomial("cannot sample n_sample <= 0 samples"));
        }
        if !replacement && samples > columns {
            let message = "cannot sample n_sample > prob_dist.size(-1) samples without replacement";
            return Err(RandomError::Multinomial(message));
        }
        if columns > 1 << 24 {
            return Err(RandomError::Multinomial("number of categories cannot exceed 2^24"));
        }
        if weights.is_empty() {
            let message =
                "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.";
            return if columns == 0 { Err(RandomError::Multinomial(message)) } else { Ok(Vec::new()) };
        }
        if replacement && samples > 1 {
            return self.search_cumulative(draw);
        }
        check_all(weights, columns)?;
        let mut race = vec![T::default(); weights.len()];
        self.fill_exponential(&mut race, 1.0)?;
        for (entry, weight) in race.iter_mut().zip(weights) {
            *entry = T::from_f64(divide::<T>(weight.to_f64(), entry.to_f64()));
        }
        Ok(race.chunks(columns).flat_map(|row| largest(row, samples)).collect())
    }

    fn search_cumulative<T: Real>(&mut self, draw: Draw<'_, T>) -> Result<Vec<i64>, RandomError> {
        let mut result = Vec::with_capacity(draw.weights.len() / draw.columns * draw.samples);
        let mut cumulative = vec![0.0; draw.columns];
        for row in draw.weights.chunks(draw.columns) {
            accumulate(row, &mut cumulative)?;
            for _ in 0..draw.samples {
                let unit = self.unit_f64();
                result.push(cumulative.partition_point(|&sum| sum < unit) as i64);
            }
        }
        Ok(result)
    }
}

/// The quotient rounded as the type's own division rounds it. An f64 quotient of f32 operands rounds innocuously.
fn divide<T: Real>(weight: f64, variate: f64) -> f64 {
    if T::DOUBLE { weight / variate } else { f64::from(weight as f32 / variate as f32) }
}

/// Running sums in f64, or in f32 for f32 and the half types, normalised so that the last is one.
fn accumulate<T: Real>(row: &[T], sums: &mut [f64]) -> Result<(), RandomError> {
    let round = |value: f64| if T::DOUBLE { value } else { f64::from(value as f32) };
    let mut total = 0.0;
    for (weight, sum) in row.iter().zip(&mut *sums) {
        let weight = weight.to_f64();
        if weight.is_nan() || weight < 0.0 {
            let message = "invalid multinomial distribution (encountering probability entry < 0)";
            return Err(RandomError::Multinomial(message));
        }
        if weight.is_infinite() {
            let message =
                "invalid multinomial distribution (encountering probability entry = infinity or NaN)";
            return Err(RandomError::Multinomial(message));
        }
        total = round(total + weight);
        *sum = total;
    }
    if total <= 0.0 {
        return Err(RandomError::Multinomial(NO_WEIGHT));
    }
    sums.iter_mut().for_each(|sum| *sum = round(*sum / total));
    if let Some(last) = sums.last_mut() {
        *last = 1.0;
    }
    Ok(())
}

const NO_WEIGHT: &str = "invalid multinomial distribution (sum of probabilities <= 0)";

fn check_all<T: Real>(weights: &[T], columns: usize) -> Result<(), RandomError> {
    if weights.iter().any(|weight| !(0.0..f64::INFINITY).contains(&weight.to_f64())) {
        let message = "probability tensor contains either `inf`, `nan` or element < 0";
        return Err(RandomError::Multinomial(message));
    }
    if weights.chunks(columns).any(|row| row.iter().all(|weight| weight.to_f64() == 0.0)) {
        return Err(RandomError::Multinomial(NO_WEIGHT));
    }
    Ok(())
}

/// Indices of the greatest entries, greatest first; a NaN is greater than everything.
fn largest<T: Real>(row: &[T], count: usize) -> Vec<i64> {
    let descending = |&a: &usize, &b: &usize| {
        let (x, y) = (row[a].to_f64(), row[b].to_f64());
        let by_value = y.partial_cmp(&x).unwrap_or_else(|| y.is_nan().cmp(&x.is_nan()));
        if by_value == Ordering::Equal { a.cmp(&b) } else { by_value }
    };
    let mut indices: Vec<usize> = (0..row.len()).collect();
    if count < indices.len() {
        indices.select_nth_unstable_by(count - 1, descending);
        indices.truncate(count);
    }
    indices.sort_unstable_by(descending);
    indices.into_iter().map(|index| index as i64).collect()
}
