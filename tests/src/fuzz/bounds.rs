//! How far a compiled value may lie from the interpreted one.
//!
//! Everything is exact but float sums and products of several numbers, whose order is the compiler's.
//! From there on an absolute bound is carried through what is continuous, from the magnitudes that the
//! interpreter found; behind anything else nothing is known. Sums of small integers are exact in any
//! order, and a minimum of zeros of both signs may have either.

use rustc_hash::FxHashMap;
use rustorch_ir::eval::Tensor;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Kind, Op, Running, Scalar, Scan};
use rustorch_ir::{DType, Graph, Literal, Node, Value};

/// What may differ in a value.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Bound {
    /// Of each finite element; infinite when nothing is known.
    pub error: f64,
    /// Zeros may have either sign.
    pub zero_sign: bool,
}

const UNKNOWN: Bound = Bound { error: f64::INFINITY, zero_sign: true };

/// What the interpreter found in a value.
#[derive(Clone, Copy, Default)]
struct Found {
    /// The largest finite magnitude.
    largest: f64,
    finite: bool,
    integers: bool,
    both_zeros: bool,
}

fn look(t: &Tensor) -> Found {
    let mut f = Found { largest: 0.0, finite: true, integers: true, both_zeros: false };
    let (mut plus, mut minus) = (false, false);
    for x in t.literals().map(Literal::as_f64) {
        if x.is_finite() {
            f.largest = f.largest.max(x.abs());
        } else {
            f.finite = false;
        }
        f.integers &= x.fract() == 0.0;
        plus |= x == 0.0 && x.is_sign_positive();
        minus |= x == 0.0 && x.is_sign_negative();
    }
    f.both_zeros = plus && minus;
    f
}

/// Half the distance between 1 and the next number.
fn unit(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 2f64.powi(-11),
        DType::BF16 => 2f64.powi(-8),
        DType::F32 => 2f64.powi(-24),
        _ => 2f64.powi(-53),
    }
}

/// Beyond this a sum may overflow on one road and not on another.
fn limit(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 6e4,
        DType::BF16 | DType::F32 => 3e38,
        _ => 1.7e308,
    }
}

/// The least positive number.
fn least(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 6e-8,
        DType::BF16 => 1e-40,
        DType::F32 => 1.5e-45,
        _ => 5e-324,
    }
}

/// The bounds of all live values, given what the interpreter found; and whether a check may turn out
/// differently.
pub fn bounds(graph: &Graph, values: &FxHashMap<Value, Tensor>) -> (FxHashMap<Value, Bound>, bool) {
    let mut known: FxHashMap<Value, Bound> = FxHashMap::default();
    let mut open_checks = false;
    for id in graph.live() {
        let node = graph.node(id);
        let inputs: Vec<(Bound, Found)> = node.inputs.iter().map(|v| (known[v], look(&values[v]))).collect();
        for port in 0..node.types.len() as u8 {
            let value = Value { node: id, port };
            let bound = of_node(graph, node, &inputs, &values[&value]);
            known.insert(value, bound);
        }
        let index = matches!(node.op, Op::Gather(_) | Op::Scatter(_)).then(|| inputs[1].0.error);
        let divides = matches!(
            node.op,
            Op::Map(Scalar::TruncDiv | Scalar::FloorDiv | Scalar::Remainder | Scalar::Fmod)
        ) && !node.types[0].dtype.is_float();
        let divisor = divides.then(|| inputs[1].0.error);
        open_checks |= index.into_iter().chain(divisor).any(|e| e > 0.0);
    }
    (known, open_checks)
}

fn of_node(graph: &Graph, node: &Node, x: &[(Bound, Found)], result: &Tensor) -> Bound {
    let dtype = node.types[0].dtype;
    let worst = x.iter().fold(0f64, |m, i| m.max(i.0.error));
    let moved = Bound { error: worst, zero_sign: x.iter().any(|i| i.0.zero_sign) };
    let from = node.inputs.first().map_or(dtype, |v| graph.ty(*v).dtype);
    let length = |result: &Tensor| {
        let n = node.inputs.first().map_or(1, |v| graph.ty(*v).shape.numel());
        n as f64 / result.len().max(1) as f64
    };
    let bound = match &node.op {
        Op::Map(s) => map(*s, x, moved, dtype, result),
        Op::Cast(_) if worst == 0.0 && (dtype.is_float() && from.is_float() || !moved.zero_sign) => moved,
        Op::Cast(_) if worst == 0.0 => Bound { error: 0.0, zero_sign: false },
        Op::Cast(_) if dtype.is_float() && x[0].1.finite && x[0].1.largest < limit(dtype) => {
            Bound { error: worst + 2.0 * unit(dtype) * x[0].1.largest, ..moved }
        }
        Op::Cast(_) => UNKNOWN,
        // Of NaN any bits will do, and of zero either sign.
        Op::Bitcast(_) if worst == 0.0 && !moved.zero_sign && (!from.is_float() || x[0].1.finite) => moved,
        Op::Bitcast(_) => UNKNOWN,
        Op::ArgReduce(_) if worst > 0.0 => UNKNOWN,
        Op::ArgReduce(_) => Bound::default(),
        // Zeros of both signs are equal; where they were tells them apart again.
        Op::Sort(_) if result.ty.dtype == DType::I64 && dtype != DType::I64 => {
            if worst > 0.0 {
                UNKNOWN
            } else {
                Bound::default()
            }
        }
        Op::Sort(_) if worst > 0.0 && !(dtype.is_float() && x[0].1.finite) => UNKNOWN,
        // How far errors reach depends on the matrices.
        Op::Factor(_) | Op::TriangularSolve(_) | Op::Solve(_) => UNKNOWN,
        Op::Fft(_) => {
            fft(x[0], graph.ty(node.inputs[0]).shape[graph.ty(node.inputs[0]).shape.rank() - 2].get(), result)
        }
        Op::Scan(s) => scan(s, x, graph.ty(node.inputs[0]).shape[s.axis as usize].get(), dtype, result),
        Op::Reduce(r) if dtype.is_float() => reduce(r.combine, x[0], length(result), dtype),
        Op::Fold(f) if dtype.is_float() => {
            // A place may be in every window, at any of its elements.
            let n: u64 = f.panes.iter().map(|p| p.count.min(p.size)).product();
            reduce(Combine::Add, x[0], n as f64, dtype)
        }
        Op::Contract(c) if dtype.is_float() => {
            let shape = &graph.ty(node.inputs[0]).shape;
            let n: usize = c.lhs_contract.iter().map(|&a| shape[a as usize].get()).product();
            contract(x, n as f64, dtype)
        }
        Op::Gather(_) | Op::Scatter(_) if x[1].0.error > 0.0 => UNKNOWN,
        Op::Scatter(s) if s.combine.is_some() && worst > 0.0 => {
            let n = graph.ty(node.inputs[2]).shape.numel() as f64;
            let total = x[0].1.largest + n * x[2].1.largest;
            if x.iter().all(|i| i.1.finite) && total < limit(dtype) {
                Bound { error: (n + 1.0) * worst + 2.0 * unit(dtype) * n * total, ..moved }
            } else {
                UNKNOWN
            }
        }
        _ if !dtype.is_float() && node.op.kind() != Kind::View && worst > 0.0 => UNKNOWN,
        _ => moved,
    };
    match bound.error {
        // Nothing is known of one operand, and the other is zero everywhere.
        e if e.is_nan() => UNKNOWN,
        e if e > 0.0 => Bound { error: e + least(dtype), ..bound },
        _ => bound,
    }
}

fn reduce(combine: Combine, (bound, found): (Bound, Found), n: f64, dtype: DType) -> Bound {
    let (m, e, u) = (found.largest, bound.error, unit(dtype));
    let acc = unit(dtype.accumulator());
    match combine {
        Combine::Min | Combine::Max => {
            let error = if found.finite || e == 0.0 { e } else { f64::INFINITY };
            Bound { error, zero_sign: bound.zero_sign || found.both_zeros || e > 0.0 }
        }
        Combine::Add => {
            let total = n * m;
            if e == 0.0 && (n <= 1.0 || found.integers && found.finite && total < 0.5 / acc) {
                return bound;
            }
            if total >= limit(dtype) || (e > 0.0 && !found.finite) {
                return UNKNOWN;
            }
            Bound { error: n * e + n * acc * total + 2.0 * u * total, zero_sign: true }
        }
        Combine::Mul => {
            let total = m.max(1.0).powf(n);
            if e == 0.0 && (n <= 1.0 || found.integers && found.finite && total < 0.5 / acc) {
                return bound;
            }
            if total >= limit(dtype) || !found.finite {
                return UNKNOWN;
            }
            Bound { error: n * total * e * 2.0 + n * acc * total + 2.0 * u * total, zero_sign: true }
        }
        Combine::And | Combine::Or => UNKNOWN,
    }
}

/// Sums and products lose what their longest one may lose; of a recurrence nothing is known unless it begins exactly.
fn scan(s: &Scan, x: &[(Bound, Found)], n: usize, dtype: DType, result: &Tensor) -> Bound {
    let exact = x.iter().all(|i| i.0.error == 0.0);
    match s.running {
        Running::ArgMax | Running::ArgMin if exact => Bound::default(),
        _ if !dtype.is_float() && exact => Bound::default(),
        Running::Sum if dtype.is_float() => reduce(Combine::Add, x[0], n as f64, dtype),
        Running::Prod if dtype.is_float() => reduce(Combine::Mul, x[0], n as f64, dtype),
        // In order, whoever computes it; only the sign of a zero may have been another.
        Running::Linear if dtype.is_float() && exact => {
            let zeros = x.iter().any(|i| i.0.zero_sign);
            let infinite = look(result);
            if zeros && !infinite.finite { UNKNOWN } else { Bound { error: 0.0, zero_sign: zeros } }
        }
        Running::Linear if dtype.is_float() => linear(x, n as f64, dtype),
        _ => UNKNOWN,
    }
}

/// Errors of a recurrence grow by its factors, of which there are no more than elements.
fn linear(x: &[(Bound, Found)], n: f64, dtype: DType) -> Bound {
    let ((factor, fa), (term, fb)) = (x[0], x[1]);
    let growth = (fa.largest + factor.error).max(1.0).powf(n);
    let total = n * growth * (fb.largest + term.error);
    if !fa.finite || !fb.finite || total >= limit(dtype) {
        return UNKNOWN;
    }
    let carried = n * growth * term.error + n * total * factor.error;
    Bound {
        error: 2.0 * carried + n * unit(dtype.accumulator()) * total + 2.0 * unit(dtype) * total,
        zero_sign: true,
    }
}

fn contract(x: &[(Bound, Found)], k: f64, dtype: DType) -> Bound {
    let ((a, fa), (b, fb)) = (x[0], x[1]);
    let (u, acc) = (unit(dtype), unit(dtype.accumulator()));
    let total = k * fa.largest * fb.largest;
    let exact = a.error == 0.0 && b.error == 0.0;
    let integers = fa.integers && fb.integers && fa.finite && fb.finite;
    // A single product is rounded once, whoever computes it; its zero's sign is lost in a sum.
    if exact && (k <= 1.0 || integers && total < 0.5 / acc) {
        return Bound { error: 0.0, zero_sign: true };
    }
    if total >= limit(dtype) || !(exact || fa.finite && fb.finite) {
        return UNKNOWN;
    }
    let carried = k * (fa.largest * b.error + fb.largest * a.error + a.error * b.error);
    Bound { error: carried + (k + 1.0) * acc * total + 2.0 * u * total, zero_sign: true }
}

fn map(s: Scalar, x: &[(Bound, Found)], moved: Bound, dtype: DType, result: &Tensor) -> Bound {
    use Scalar::*;
    let signed = matches!(
        s,
        Div | FloorDiv | Remainder | Fmod | Pow | Atan2 | Copysign | NextAfter | Polygamma | Digamma | Hypot
    );
    if moved.zero_sign && signed {
        return UNKNOWN;
    }
    if moved.error == 0.0 {
        // Comparisons see no sign of zero.
        return Bound { error: 0.0, zero_sign: moved.zero_sign && dtype.is_float() };
    }
    if !dtype.is_float() || x.iter().any(|i| !i.1.finite) {
        return UNKNOWN;
    }
    let u = unit(dtype);
    let (e0, m0) = (x[0].0.error, x[0].1.largest);
    let (e1, m1) = x.get(1).map_or((0.0, 0.0), |i| (i.0.error, i.1.largest));
    let out = look(result);
    let error = match s {
        Add | Sub => e0 + e1 + 2.0 * u * (m0 + m1),
        Mul => m0 * e1 + m1 * e0 + e0 * e1 + 2.0 * u * m0 * m1,
        Neg | Abs => e0,
        Max | Min => e0.max(e1),
        Select if e0 == 0.0 => e1.max(x[2].0.error),
        Tanh | Sin | Cos | Atan | Sigmoid | Asinh | Erf => 1.2 * e0 + 8.0 * u * out.largest.max(1e-3),
        Exp if e0 < 0.1 && out.finite => out.largest * (1.2 * e0 + 8.0 * u),
        _ => f64::INFINITY,
    };
    if !out.finite || out.largest + error >= limit(dtype) {
        return UNKNOWN;
    }
    Bound { error, zero_sign: true }
}

/// Sums of `extent` products with numbers of at most 1, in some order.
fn fft((bound, found): (Bound, Found), extent: usize, result: &Tensor) -> Bound {
    let n = 2.0 * extent as f64;
    // Near the denormals each product is rounded to their grid, whatever its size.
    let grid = if result.ty.dtype == DType::F64 { f64::from_bits(1) } else { f64::from(f32::from_bits(1)) };
    let error = n * (bound.error + 16.0 * unit(result.ty.dtype) * found.largest + 16.0 * grid);
    if !found.finite || !look(result).finite || n * found.largest + error >= limit(result.ty.dtype) {
        return UNKNOWN;
    }
    Bound { error, zero_sign: true }
}

/// Where two tensors lie further apart than a bound allows.
pub fn disagree(got: &Tensor, want: &Tensor, bound: Bound) -> Option<String> {
    if got.ty != want.ty || got.bytes.len() != want.bytes.len() {
        return Some(format!("type {} instead of {}", got.ty, want.ty));
    }
    got.literals().zip(want.literals()).enumerate().find_map(|(i, (g, w))| {
        let (a, b) = (g.as_f64(), w.as_f64());
        let same = g.bits == w.bits
            || got.ty.dtype.is_float()
                && (a.is_nan() && b.is_nan()
                    || a == 0.0 && b == 0.0 && bound.zero_sign
                    || bound.error > 0.0 && (a == b || (a - b).abs() <= bound.error))
            || bound.error == f64::INFINITY;
        (!same).then(|| format!("element {i} is {g} instead of {w}, allowed {:e}", bound.error))
    })
}
