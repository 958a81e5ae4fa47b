//! The vocabulary in which every scalar expansion is written.
//!
//! Cranelift, WebAssembly and freestanding C have no `exp` or `sin`. Each such function is expanded
//! once, here, into instructions that all of them have; so the same bits come out on every target.
//! The expansions are generic over [`Core`]: the loop builder implements it to emit LoopIR, the
//! host's vector routines implement it over machine registers, tests over plain numbers.

/// Arithmetic on one lane or on many, in one float width with the integers of the same width.
///
/// Every operation rounds once, as IEEE 754 says, and nothing is contracted: where an expansion wants
/// a fused multiply-add it says [`Core::fma`]. Integer arithmetic wraps.
#[allow(clippy::wrong_self_convention, reason = "`self` is where instructions go, not what is converted")]
pub trait Core {
    /// A float, or an integer of the same width.
    type V: Copy;
    /// The result of a comparison.
    type M: Copy;

    /// Whether `x` is 64 bits wide (f64 or i64) rather than 32.
    fn is_double(&self, x: Self::V) -> bool;
    /// The float constant `c` in the width of `like`.
    fn float(&mut self, like: Self::V, c: f64) -> Self::V;
    /// The integer constant `c` in the width of `like`.
    fn int(&mut self, like: Self::V, c: i64) -> Self::V;

    fn fadd(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn fsub(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn fmul(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn fdiv(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once.
    fn fma(&mut self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a` if `a < b`, else `b`.
    #[inline(always)]
    fn fmin(&mut self, a: Self::V, b: Self::V) -> Self::V {
        let less = self.flt(a, b);
        self.select(less, a, b)
    }
    /// `a` if `b < a`, else `b`.
    #[inline(always)]
    fn fmax(&mut self, a: Self::V, b: Self::V) -> Self::V {
        let less = self.flt(b, a);
        self.select(less, a, b)
    }
    /// `x·2^n`, rounded once even where the result overflows or is denormal, for an `x` near 1 and an integral
    /// `n` of the exponents' range times a small factor, which is also the low bits of the integer `shifted`.
    #[inline(always)]
    fn times_power_of_two(&mut self, x: Self::V, n: Self::V, shifted: Self::V) -> Self::V
    where
        Self: Sized,
    {
        let _ = n;
        super::exp::scale(self, x, shifted)
    }
    fn fneg(&mut self, a: Self::V) -> Self::V;
    fn fabs(&mut self, a: Self::V) -> Self::V;
    fn fsqrt(&mut self, a: Self::V) -> Self::V;
    fn ffloor(&mut self, a: Self::V) -> Self::V;
    fn fceil(&mut self, a: Self::V) -> Self::V;
    fn ftrunc(&mut self, a: Self::V) -> Self::V;
    /// To the nearest integer, ties to even.
    fn fround(&mut self, a: Self::V) -> Self::V;

    fn iadd(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn isub(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn imul(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn iand(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn ior(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn ixor(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// Shift left by a constant below the width.
    fn ishl(&mut self, a: Self::V, by: u32) -> Self::V;
    /// Logical shift right by a constant below the width.
    fn ushr(&mut self, a: Self::V, by: u32) -> Self::V;
    /// Arithmetic shift right by a constant below the width.
    fn sshr(&mut self, a: Self::V, by: u32) -> Self::V;

    /// The bits of a float as an integer of the same width.
    fn to_bits(&mut self, a: Self::V) -> Self::V;
    /// The float with these bits.
    fn from_bits(&mut self, a: Self::V) -> Self::V;
    /// Signed integer to float of the same width, rounded to nearest.
    fn int_to_float(&mut self, a: Self::V) -> Self::V;
    /// Float to signed integer of the same width, truncated. The value is in range and not NaN.
    fn float_to_int(&mut self, a: Self::V) -> Self::V;
    /// f32 to f64, exact.
    fn widen(&mut self, a: Self::V) -> Self::V;
    /// f64 to f32, rounded to nearest.
    fn narrow(&mut self, a: Self::V) -> Self::V;

    /// Ordered comparisons: false when either side is NaN.
    fn flt(&mut self, a: Self::V, b: Self::V) -> Self::M;
    fn fle(&mut self, a: Self::V, b: Self::V) -> Self::M;
    fn feq(&mut self, a: Self::V, b: Self::V) -> Self::M;
    /// True when the sides differ or either is NaN.
    fn fne(&mut self, a: Self::V, b: Self::V) -> Self::M;
    /// Signed comparisons of integers.
    fn ilt(&mut self, a: Self::V, b: Self::V) -> Self::M;
    fn ieq(&mut self, a: Self::V, b: Self::V) -> Self::M;
    fn mand(&mut self, a: Self::M, b: Self::M) -> Self::M;
    fn mor(&mut self, a: Self::M, b: Self::M) -> Self::M;
    fn mnot(&mut self, a: Self::M) -> Self::M;
    /// `a` where `m` is true, else `b`. Both have been evaluated.
    fn select(&mut self, m: Self::M, a: Self::V, b: Self::V) -> Self::V;

    /// `table[index]` as the bits of the width of `index` (low bits for 32); the index is in range.
    fn table(&mut self, table: &'static [u64], index: Self::V) -> Self::V;
    /// `slow` where `m` is true, else `fast`; `slow` is evaluated only if some lane needs it.
    fn rarely(&mut self, m: Self::M, fast: Self::V, slow: impl FnOnce(&mut Self) -> Self::V) -> Self::V
    where
        Self: Sized;
    /// `step` applied `times` times to `state`, as a loop.
    fn repeat<const N: usize>(
        &mut self,
        times: u32,
        state: [Self::V; N],
        step: impl FnOnce(&mut Self, [Self::V; N]) -> [Self::V; N] + Clone,
    ) -> [Self::V; N]
    where
        Self: Sized;
}
