//! `random_` in its three forms, and so `randint`.

use super::{Element, Generator, RandomError};

/// Ranges from here on take two engine words an element, which keeps the bias of the remainder below 5 %.
const WIDE_RANGE: u64 = 1 << 28;

impl Generator {
    /// `random_()`: integers from 0 to the greatest of the type, or to 2^mantissa of a floating-point type. One engine
    /// word an element, two for i64 and f64.
    pub fn fill_random<T: Element>(&mut self, out: &mut [T]) {
        let range = match T::DIGITS {
            Some(digits) => (1u64 << digits) + 1,
            None => T::HIGHEST_INTEGER as u64 + 1,
        };
        if T::WIDE {
            self.fill_from_u64(out, |word| T::from_i64((word % range) as i64));
        } else {
            self.fill_from_u32(out, |word| T::from_i64((u64::from(word) % range) as i64));
        }
    }

    /// `random_(from, to)`: integers in [from, to); without `to`, up to the greatest integer of the type. `randint` is
    /// this. One engine word an element, two where the range reaches 2^28.
    ///
    /// An `Ok` may come with [`precision_warnings`].
    pub fn fill_random_range<T: Element>(
        &mut self,
        out: &mut [T],
        from: i64,
        to: Option<i64>,
    ) -> Result<(), RandomError> {
        match interval::<T>(from, to)? {
            Some((from, last)) => {
                let range = last.wrapping_sub(from).wrapping_add(1) as u64;
                let shift = |remainder: u64| T::from_i64((remainder as i64).wrapping_add(from));
                if range >= WIDE_RANGE {
                    self.fill_from_u64(out, |word| shift(word % range));
                } else {
                    self.fill_from_u32(out, |word| shift(u64::from(word % range as u32)));
                }
            }
            None => self.fill_from_u64(out, |word| T::from_i64(word as i64)),
        }
        Ok(())
    }
}

/// torch's warnings about bounds that a floating-point type cannot represent densely. The fill goes ahead.
pub fn precision_warnings<T: Element>(from: i64, to: Option<i64>) -> Vec<String> {
    let (Some(digits), Ok(Some((from, last)))) = (T::DIGITS, interval::<T>(from, to)) else {
        return Vec::new();
    };
    let limit = 1i64 << digits;
    [("from", from), ("to - 1", last)]
        .into_iter()
        .filter(|(_, bound)| !(-limit..=limit).contains(bound))
        .map(|(name, _)| {
            format!(
                "{name} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision limitations {} can support \
                 discrete uniform distribution only within this range. This warning will become an error in version \
                 1.7 release, please fix the code in advance",
                T::NAME
            )
        })
        .collect()
}

/// First and last value, or `None` for all 2^64 of them.
fn interval<T: Element>(from: i64, to: Option<i64>) -> Result<Option<(i64, i64)>, RandomError> {
    let (from, last) = match to {
        Some(to) if from >= to => return Err(RandomError::RandomOrder { from, to }),
        Some(to) => {
            let (first, end) = (dense_from::<T>(from), dense_to::<T>(to));
            if first >= end {
                return Err(RandomError::RandomOrderCast { from: first, to: end });
            }
            (first, end - 1)
        }
        None if from == i64::MIN => {
            return match (T::SCALAR_NAME, T::WIDE || T::DIGITS.is_some()) {
                (name @ ("Bool" | "Half"), _) => Err(RandomError::FullRangeMissing(name)),
                (_, true) => Ok(None),
                (_, false) => Err(RandomError::FullRange),
            };
        }
        None => {
            let (first, last) = (dense_from::<T>(from), T::HIGHEST_INTEGER);
            if T::DIGITS.is_some() && first >= last {
                return Err(RandomError::RandomOpenOrderCast { from: first, to: last });
            }
            (first, last)
        }
    };
    for (name, bound) in [("from", from), ("to - 1", last)] {
        if !contains::<T>(bound) {
            return Err(RandomError::OutOfBounds { name, dtype: T::NAME });
        }
    }
    Ok(Some((from, last)))
}

fn contains<T: Element>(bound: i64) -> bool {
    match T::DIGITS {
        Some(_) => (T::LOWEST..=T::HIGHEST).contains(&(bound as f64)),
        None if T::WIDE => true,
        None => (T::LOWEST..=T::HIGHEST).contains(&(bound as f64)),
    }
}

/// The least value not below `from` that survives the conversion to a floating-point type.
fn dense_from<T: Element>(from: i64) -> i64 {
    let Some(digits) = T::DIGITS else { return from };
    let next = from.wrapping_add(1);
    let rounded = T::from_i64(next).to_f64() as i64;
    if rounded < from { rounded.wrapping_add(spacing(next, digits)) } else { from }
}

/// Likewise for an exclusive end.
fn dense_to<T: Element>(to: i64) -> i64 {
    let Some(digits) = T::DIGITS else { return to };
    let last = to.wrapping_sub(1);
    let rounded = T::from_i64(last).to_f64() as i64;
    if rounded >= to { rounded.wrapping_sub(spacing(last, digits)) } else { to }
}

/// Distance between neighbouring values of a type with so many significant bits.
fn spacing(value: i64, digits: u32) -> i64 {
    let exponent = value.unsigned_abs().checked_ilog2().unwrap_or(0);
    1i64.checked_shl((exponent + 1).saturating_sub(digits)).unwrap_or(0)
}
