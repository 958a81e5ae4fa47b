//! The Box-Muller transform of torch's blocked normal fill: sixteen uniforms become sixteen normals.
//!
//! In f32 the logarithm, sine and cosine are the polynomials of the Cephes library's `logf`, `sinf` and `cosf` (S. L.
//! Moshier), evaluated with fused multiply-adds in the order that torch's AVX2 build uses, which makes the results
//! equal bit for bit on every host. In f64 they are the C library's.
//!
//! Where the target has no fused multiply-add at compile time, a fused step is done in f64: the product of two f32 is
//! exact there and the sum is rounded once more than it should be, which matters only if the first rounding landed
//! half-way between two f32. A block in which that happened is recomputed exactly.

use std::f32::consts::TAU;

pub(super) const BLOCK: usize = 16;
/// A block is transformed in groups that fit the registers of 128-bit machines.
const LANES: usize = 4;
const HALF: usize = BLOCK / 2;

type Lanes = [f32; LANES];

/// Turns uniforms in [0, 1) into normals: the first half of a block gives the radii, the second half the angles.
pub(super) fn transform_f32(blocks: &mut [[f32; BLOCK]], mean: f32, std: f32) {
    if NATIVE_FMA {
        return transform_f32_fused(blocks, mean, std);
    }
    for block in blocks {
        let mut wide = Wide { unsure: [0; LANES] };
        let result = normals(&mut wide, block, mean, std);
        if wide.unsure == [0; LANES] {
            *block = result;
        } else {
            transform_f32_fused(std::slice::from_mut(block), mean, std);
        }
    }
}

#[inline(always)]
fn transform_f32_fused(blocks: &mut [[f32; BLOCK]], mean: f32, std: f32) {
    for block in blocks {
        *block = normals(&mut Exact, block, mean, std);
    }
}

pub(super) fn transform_f64(blocks: &mut [[f64; BLOCK]], mean: f64, std: f64) {
    for block in blocks {
        for lane in 0..HALF {
            let radius = (-2.0 * (1.0 - block[lane]).ln()).sqrt();
            let theta = std::f64::consts::TAU * block[lane + HALF];
            block[lane] = (radius * theta.cos()).mul_add(std, mean);
            block[lane + HALF] = (radius * theta.sin()).mul_add(std, mean);
        }
    }
}

const NATIVE_FMA: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

/// How a fused multiply-add is done.
trait Fused {
    fn mul_add(&mut self, a: Lanes, b: Lanes, c: Lanes) -> Lanes;
}

struct Exact;

impl Fused for Exact {
    #[inline(always)]
    fn mul_add(&mut self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
}

struct Wide {
    /// Lanes in which some sum landed on a tie between two f32.
    unsure: [u32; LANES],
}

impl Fused for Wide {
    #[inline(always)]
    fn mul_add(&mut self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        const BELOW_F32: u32 = (1 << 29) - 1;
        const TIE: u32 = 1 << 28;
        let sums: [f64; LANES] = std::array::from_fn(|i| f64::from(a[i]) * f64::from(b[i]) + f64::from(c[i]));
        for (unsure, sum) in self.unsure.iter_mut().zip(sums) {
            *unsure |= u32::from(sum.to_bits() as u32 & BELOW_F32 == TIE);
        }
        sums.map(|sum| sum as f32)
    }
}

#[inline(always)]
fn normals<F: Fused>(fused: &mut F, block: &[f32; BLOCK], mean: f32, std: f32) -> [f32; BLOCK] {
    let mut result = [0.0; BLOCK];
    for group in (0..HALF).step_by(LANES) {
        let u1: Lanes = std::array::from_fn(|i| 1.0 - block[group + i]);
        let theta: Lanes = std::array::from_fn(|i| TAU * block[group + HALF + i]);
        let radius = ln(fused, u1).map(|log| (-2.0 * log).sqrt());
        let (sin, cos) = sin_cos(fused, theta);
        for i in 0..LANES {
            result[group + i] = radius[i] * cos[i];
            result[group + HALF + i] = radius[i] * sin[i];
        }
    }
    if mean == 0.0 { result.map(|x| x * std + mean) } else { result.map(|x| x.mul_add(std, mean)) }
}

/// Natural logarithm of normal numbers in (0, 1].
#[inline(always)]
fn ln<F: Fused>(fused: &mut F, x: Lanes) -> Lanes {
    const POLYNOMIAL: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_87e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    // ln 2 = HIGH + LOW; HIGH has few enough bits that its product with an exponent is exact.
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const LN2_HIGH: f32 = 0.693_359_4;
    // x = m * 2^e with sqrt(1/2) <= m < sqrt(2), and r = m - 1.
    let half = x.map(|x| f32::from_bits(x.to_bits() & 0x007f_ffff | 0x3f00_0000));
    let small = half.map(|m| m < std::f32::consts::FRAC_1_SQRT_2);
    let e: Lanes = std::array::from_fn(|i| {
        let exponent = (x[i].to_bits() >> 23) as i32 - 126;
        (exponent - i32::from(small[i])) as f32
    });
    let r: Lanes = std::array::from_fn(|i| half[i] - 1.0 + if small[i] { half[i] } else { 0.0 });
    let square = r.map(|r| r * r);
    let mut y = [POLYNOMIAL[0]; LANES];
    for coefficient in &POLYNOMIAL[1..] {
        y = fused.mul_add(y, r, [*coefficient; LANES]);
    }
    let cubic: Lanes = std::array::from_fn(|i| y[i] * r[i]);
    let low = e.map(|e| e * LN2_LOW);
    let y = fused.mul_add(cubic, square, low);
    let sum: Lanes = std::array::from_fn(|i| r[i] + (y[i] - square[i] * 0.5));
    std::array::from_fn(|i| sum[i] + e[i] * LN2_HIGH)
}

/// Sine and cosine of angles in [0, 2π).
#[inline(always)]
fn sin_cos<F: Fused>(fused: &mut F, theta: Lanes) -> (Lanes, Lanes) {
    const FOUR_OVER_PI: f32 = 1.273_239_5;
    // π/4 in three parts. The first two have few enough bits that their products with an octant are exact.
    const QUARTER_PI: [f32; 3] = [-0.785_156_25, -2.418_756_5e-4, -3.774_895e-8];
    const COS: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];
    const SIN: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1];
    // The even octant nearest the angle; what is left lies within ±π/4.
    let octant = theta.map(|theta| ((theta * FOUR_OVER_PI) as i32 + 1) & !1);
    let multiple = octant.map(|octant| octant as f32);
    let x: Lanes =
        std::array::from_fn(|i| theta[i] + multiple[i] * QUARTER_PI[0] + multiple[i] * QUARTER_PI[1]);
    let x = fused.mul_add(multiple, [QUARTER_PI[2]; LANES], x);
    let z = x.map(|x| x * x);
    let mut cos = [COS[0]; LANES];
    let mut sin = [SIN[0]; LANES];
    for term in 1..3 {
        cos = fused.mul_add(cos, z, [COS[term]; LANES]);
        sin = fused.mul_add(sin, z, [SIN[term]; LANES]);
    }
    let quartic: Lanes = std::array::from_fn(|i| cos[i] * z[i]);
    let cos = fused.mul_add(quartic, z, z.map(|z| z * -0.5)).map(|cos| cos + 1.0);
    let cubic: Lanes = std::array::from_fn(|i| sin[i] * z[i]);
    let sin = fused.mul_add(cubic, x, x);
    let flip = |value: f32, negative: bool| f32::from_bits(value.to_bits() ^ u32::from(negative) << 31);
    let swapped = octant.map(|octant| octant & 2 != 0);
    let sines: Lanes =
        std::array::from_fn(|i| flip(if swapped[i] { cos[i] } else { sin[i] }, octant[i] & 4 != 0));
    let cosines: Lanes =
        std::array::from_fn(|i| flip(if swapped[i] { sin[i] } else { cos[i] }, (octant[i] + 2) & 4 != 0));
    (sines, cosines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(a: f32, b: f32, c: f32) -> Option<f32> {
        let mut wide = Wide { unsure: [0; LANES] };
        let result = wide.mul_add([a; LANES], [b; LANES], [c; LANES])[0];
        (wide.unsure == [0; LANES]).then_some(result)
    }

    #[test]
    fn a_sum_rounded_twice_is_reported() {
        // (1 + x)(1 - x + x²) = 1 + x³, so the sum lies 2^-60 above or below a tie that rounding to f64 makes exact.
        let (a, b) = (1.0 + 2f32.powi(-12), 1.0 - 2f32.powi(-12) + 2f32.powi(-24));
        let half_ulp = 2f32.powi(-24);
        for (sum, c) in [(1.0 + f32::EPSILON, 1.0), (1.0 + 2.0 * f32::EPSILON, 1.0 + f32::EPSILON)] {
            assert_eq!(a.mul_add(b * half_ulp, c), sum);
            assert_eq!(wide(a, b * half_ulp, c), None);
        }
    }

    #[test]
    fn a_sum_not_reported_is_exact() {
        let mut word = 1u32;
        let mut next = || {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (word >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let mut sure = 0;
        for _ in 0..100_000 {
            let (a, b, c) = (next(), next(), next());
            if let Some(sum) = wide(a, b, c) {
                assert_eq!(sum, a.mul_add(b, c), "{a:e} {b:e} {c:e}");
                sure += 1;
            }
        }
        assert!(sure > 99_900, "{sure}");
    }

    #[test]
    fn both_arithmetics_agree_over_all_angles_and_radii() {
        for step in 0..4096u32 {
            let mut block: [f32; BLOCK] =
                std::array::from_fn(|i| (((step * 16 + i as u32) * 255) & 0x00ff_ffff) as f32 / 16_777_216.0);
            let (mut portable, mut fused) = ([block], [block]);
            transform_f32(&mut portable, 0.5, 1.7);
            transform_f32_fused(&mut fused, 0.5, 1.7);
            assert_eq!(portable, fused);
            block = portable[0];
            assert!(block.iter().all(|x| x.is_finite()));
        }
    }
}
