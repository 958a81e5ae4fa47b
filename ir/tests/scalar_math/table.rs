//! f64 functions against correctly rounded values, made with 200-bit arithmetic.
//!
//! A line is `function argument… result residue`: floats as hexadecimal bits, the residue (the true
//! value less the rounded one) in units of the last place.

use crate::plain::{Bits, Plain};
use rustorch_ir::op::scalar_math as sm;
use std::collections::BTreeMap;

fn apply(name: &str, a: &[f64]) -> f64 {
    let args: Vec<Bits> = a.iter().map(|&x| x.into()).collect();
    let value = match name {
        // The function `trigamma` sums as few terms as torch's.
        "trigamma" => sm::polygamma(&mut Plain, 1, args[0]),
        "tetragamma" => sm::polygamma(&mut Plain, 2, args[0]),
        _ => sm::expand(&mut Plain, name, &args)
            .unwrap_or_else(|| panic!("the table names {name}, which is no function")),
    };
    value.f64()
}

/// The distance of `got` from `want + residue·ulp` in units of the last place of `want`.
fn error_f64(got: f64, want: f64, residue: f64) -> f64 {
    if got == want || (got.is_nan() && want.is_nan()) {
        return residue.abs();
    }
    if !got.is_finite() || !want.is_finite() {
        return f64::INFINITY;
    }
    let exponent = ((want.to_bits() >> 52) & 0x7ff).max(1);
    let ulp = if exponent > 52 {
        f64::from_bits((exponent - 52) << 52)
    } else {
        f64::from_bits(1 << (exponent - 1))
    };
    ((got - want) / ulp - residue).abs()
}

/// The bound for each function near a result; what is not named has 2.
fn limit(name: &str, want: f64) -> f64 {
    match name {
        "exp" | "exp2" | "log" | "pow" => 1.0,
        // As precise as torch's, which nears no more than that.
        "lgamma" | "i0" | "i1" => 8.0,
        "digamma" | "trigamma" | "tetragamma" | "zeta" => 16.0,
        // 1e-13 relative; in the far tails the roundings of the large exponent weigh more.
        "igamma" | "igammac" => {
            if want > 1e-50 {
                450.0
            } else {
                1500.0
            }
        }
        _ => 2.0,
    }
}

#[test]
fn f64_table() {
    let text = include_str!("../data/scalar_math_f64.txt");
    let mut worst: BTreeMap<&str, (f64, Vec<f64>)> = BTreeMap::new();
    let mut failures = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let (name, numbers) = (fields[0], &fields[1..]);
        let floats: Vec<f64> = numbers[..numbers.len() - 1]
            .iter()
            .map(|field| f64::from_bits(u64::from_str_radix(field, 16).expect("hexadecimal bits")))
            .collect();
        let (want, arguments) = floats.split_last().expect("arguments and a result");
        let residue: f64 = numbers[numbers.len() - 1].parse().expect("a residue");
        let got = apply(name, arguments);
        let error = error_f64(got, *want, residue);
        if error > limit(name, *want) {
            failures.push(format!("{name}({arguments:?}) = {got:e}, wanted {want:e}: {error:.3} ulp"));
        }
        let entry = worst.entry(name).or_insert((0.0, Vec::new()));
        if error > entry.0 {
            *entry = (error, arguments.to_vec());
        }
    }
    for (name, (error, arguments)) in &worst {
        println!("{name} f64: at most {error:.3} ulp, at {arguments:?}");
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(worst.len() >= 20, "the table holds {} functions only", worst.len());
}
