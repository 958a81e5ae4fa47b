//! Tensors made from shapes and numbers.

use super::layout;
use super::operands::not_implemented;
use crate::error::{Error, Result, fail, runtime};
use crate::promote::checked_literal;
use crate::record::{Recorded, check_extent};
use crate::registry::{Args, Operand, Scalar as Number, default_dtype};
use crate::tensor::Tensor;
use crate::view::Writes;
use rustorch_backend::buffer::Buffer;
use rustorch_backend::host::limits::memory_total;
use rustorch_ir::graph::Type;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Literal, Shape, Strides};

/// From this size on a tensor is compared with the memory there is.
const LARGE: usize = 1 << 28;

/// `Err` if this machine's memory could not hold a tensor of this shape: then asking for it is the mistake, and not
/// what is computed with it later.
pub(crate) fn check_memory(shape: &Shape, dtype: DType) -> Result<()> {
    check_extent(shape, dtype)?;
    let requested = shape.numel() * dtype.size();
    // What there is has to be asked of the system, which takes longer than most operations.
    if requested < LARGE {
        return Ok(());
    }
    match memory_total() {
        Some(total) if requested as u64 > total => {
            Err(Error::Memory { requested, available: total as usize })
        }
        _ => Ok(()),
    }
}

/// The shape that a caller's sizes name: one that this machine's memory could hold.
pub(crate) fn shape_of(sizes: &[i64], dtype: DType) -> Result<Shape> {
    if let Some(n) = sizes.iter().find(|&&n| n < 0) {
        return fail(Error::Shape, format!("Trying to create tensor with negative dimension {n}: {sizes:?}"));
    }
    let shape: Shape = sizes.iter().map(|&n| n as usize).collect();
    check_memory(&shape, dtype)?;
    Ok(shape)
}

/// A tensor that lies in memory as `like` does, or in row-major order if the caller says so.
pub(crate) fn placed(value: Recorded, like: &Tensor, memory_format: Option<&str>) -> Result<Tensor> {
    match memory_format {
        Some("contiguous") => Tensor::from_value(value),
        _ => layout::finish(value, &[like]),
    }
}

fn constant(shape: &Shape, value: i64, dtype: DType) -> Result<Recorded> {
    Recorded::full(Literal::from_i64(dtype, value), shape)
}

fn zeros(a: &Args<'_>) -> Result<Tensor> {
    if a.ints(0).iter().any(|&n| n < 0) {
        return runtime("zeros: Dimension size must be non-negative.");
    }
    filled(a.ints(0), 0, a.opt_dtype(1).unwrap_or_else(default_dtype))
}

fn filled(sizes: &[i64], value: i64, dtype: DType) -> Result<Tensor> {
    Tensor::from_value(constant(&shape_of(sizes, dtype)?, value, dtype)?)
}

fn empty(a: &Args<'_>) -> Result<Tensor> {
    if a.opt_string(2) == Some("preserve") {
        return runtime("unsupported memory format Preserve");
    }
    filled(a.ints(0), 0, a.opt_dtype(1).unwrap_or_else(default_dtype))
}

/// A constant like the first argument.
fn constant_like(a: &Args<'_>, value: i64) -> Result<Tensor> {
    let like = a.tensor(0);
    let value = constant(&like.sizes(), value, a.opt_dtype(1).unwrap_or_else(|| like.dtype()))?;
    placed(value, like, a.opt_string(2))
}

fn number(shape: &Shape, value: Number, dtype: DType) -> Result<Recorded> {
    Recorded::scalar(checked_literal(value, dtype)?).broadcast_to(shape)
}

fn full(sizes: &[i64], value: Number, dtype: DType) -> Result<Tensor> {
    Tensor::from_value(number(&shape_of(sizes, dtype)?, value, dtype)?)
}

fn full_like(a: &Args<'_>) -> Result<Tensor> {
    let like = a.tensor(0);
    let value = number(&like.sizes(), a.scalar(1), a.opt_dtype(2).unwrap_or_else(|| like.dtype()))?;
    placed(value, like, a.opt_string(3))
}

fn empty_strided(sizes: &[i64], strides: &[i64], dtype: DType) -> Result<Tensor> {
    if sizes.len() != strides.len() {
        return runtime(format!(
            "dimensionality of sizes ({}) must match dimensionality of strides ({})",
            sizes.len(),
            strides.len()
        ));
    }
    let shape = shape_of(sizes, dtype)?;
    let reach =
        |last: Option<i64>, (&n, &stride): (&i64, &i64)| last?.checked_add((n - 1).checked_mul(stride)?);
    let last = if shape.iter().any(|d| d.get() == 0) {
        Some(-1)
    } else {
        sizes.iter().zip(strides).fold(Some(0), reach)
    };
    let bytes = last.and_then(|last| (last + 1).checked_mul(dtype.size() as i64));
    match bytes {
        Some(bytes) if strides.iter().all(|&s| s >= 0) => {
            let strides: Strides = strides.into();
            Tensor::from_strided(Buffer::zeroed(bytes as usize)?, Type::new(dtype, shape), strides, 0)
        }
        _ => fail(
            Error::Shape,
            format!("Storage size calculation overflowed with sizes={sizes:?} and strides={strides:?}"),
        ),
    }
}

/// A tensor whose axes lie in memory in this order, outermost first.
fn empty_permuted(sizes: &[i64], layout: &[i64], dtype: DType) -> Result<Tensor> {
    if layout.len() != sizes.len() {
        return runtime(format!(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = {} is not \
             equal to len(physical_layout) = {}",
            sizes.len(),
            layout.len()
        ));
    }
    let mut strides = vec![0; sizes.len()];
    let mut next = 1i64;
    for (at, &axis) in layout.iter().enumerate().rev() {
        match strides.get_mut(axis as usize) {
            None => {
                return runtime(format!(
                    "Dimension out of range (expected to be between 0 and {}, but got {axis} at index {at}).  NB: \
                     negative dims not currently supported; file an issue if you want it.",
                    sizes.len() as i64 - 1
                ));
            }
            Some(stride) if *stride > 0 => return runtime("Duplicate dim not allowed"),
            Some(stride) => *stride = next,
        }
        next = next.saturating_mul(sizes[axis as usize].max(1));
    }
    empty_strided(sizes, &strides, dtype)
}

/// How many numbers there are from `start` to before `end`.
fn steps_between(start: Number, end: Number, step: Number) -> Result<usize> {
    let (first, last, by) = (start.as_f64(), end.as_f64(), step.as_f64());
    if by == 0.0 {
        return runtime("step must be nonzero");
    }
    if !first.is_finite() || !last.is_finite() {
        return runtime(format!("unsupported range: {first} -> {last}").replace("NaN", "nan"));
    }
    if !by.is_finite() {
        return runtime(format!("step must be finite but got {by}").replace("NaN", "nan"));
    }
    if (by > 0.0 && last < first) || (by < 0.0 && last > first) {
        return runtime("upper bound and lower bound inconsistent with step sign");
    }
    let whole = |n: Number| if let Number::Float(_) = n { None } else { Some(i128::from(n.as_i64())) };
    let count = match (whole(start), whole(end), whole(step)) {
        (Some(first), Some(last), Some(by)) => ((last - first + by - by.signum()) / by) as f64,
        _ => ((last - first) / by).ceil(),
    };
    if !(0.0..i64::MAX as f64).contains(&count) {
        return runtime("invalid size, possible overflow?");
    }
    Ok(count as usize)
}

fn arange(start: Number, end: Number, step: Number, dtype: Option<DType>) -> Result<Tensor> {
    let float = [start, end, step].iter().any(|n| matches!(n, Number::Float(_)));
    let dtype = dtype.unwrap_or_else(|| if float { default_dtype() } else { DType::I64 });
    if dtype == DType::Bool {
        return not_implemented("arange_cpu", dtype);
    }
    let count = steps_between(start, end, step)?;
    shape_of(&[count as i64], dtype)?;
    let wide = match dtype {
        DType::F16 | DType::BF16 => DType::F32,
        dtype if dtype.is_float() => DType::F64,
        _ => DType::I64,
    };
    let way = Recorded::iota(count)?.cast(wide)?.mul(&step.recorded(wide))?;
    Tensor::from_value(start.recorded(wide).add(&way)?.cast(dtype)?)
}

/// An end of `linspace` or `logspace`: a number or a 0-d tensor, in the dtype in which the steps are taken.
fn bound(operand: Operand<'_>, dtype: DType, wide: DType) -> Result<Recorded> {
    match operand {
        Operand::Number(n) => {
            checked_literal(n, dtype)?;
            // Whole dtypes cut the number off before the steps are taken.
            Ok(Number::Float(n.literal(dtype).as_f64()).recorded(wide))
        }
        Operand::Tensor(t) => t.read()?.detach().cast(dtype)?.cast(wide),
    }
}

/// `steps` numbers at equal distances, counted from the nearer end so that both ends are exact.
fn spaced(a: &Args<'_>, name: &str, dtype: DType, wide: DType) -> Result<Recorded> {
    let (start, end, steps) = (a.operand(0), a.operand(1), a.int(2));
    let rank = |o: Operand<'_>| if let Operand::Tensor(t) = o { t.dim() } else { 0 };
    for (place, operand) in [("start", start), ("end", end)] {
        if rank(operand) > 0 {
            return runtime(format!(
                "{name} only supports 0-dimensional start and end tensors, but got {place} with {} dimension(s).",
                rank(operand)
            ));
        }
    }
    if steps < 0 {
        return runtime("number of steps must be non-negative");
    }
    if dtype == DType::Bool && steps > 1 {
        return not_implemented(&format!("{name}_cpu"), dtype);
    }
    let (first, last) = (bound(start, dtype, wide)?, bound(end, dtype, wide)?);
    let shape = shape_of(&[steps], dtype)?;
    if steps < 2 {
        return first.broadcast_to(&shape);
    }
    let distance = last.sub(&first)?.div(&last.literal((steps - 1) as f64))?;
    let index = Recorded::iota(steps as usize)?;
    let low = first.add(&distance.mul(&index.cast(wide)?)?)?;
    let back = index.literal_int(steps - 1).sub(&index)?.cast(wide)?;
    let high = last.sub(&distance.mul(&back)?)?;
    index.lt(&index.literal_int(steps / 2))?.select(&low, &high)
}

/// The dtype of the steps: the result's own, and f64 for whole numbers.
fn step_dtype(dtype: DType) -> DType {
    if dtype.is_float() { dtype } else { DType::F64 }
}

fn linspace(a: &Args<'_>) -> Result<Tensor> {
    let dtype = a.opt_dtype(3).unwrap_or_else(default_dtype);
    Tensor::from_value(spaced(a, "linspace", dtype, step_dtype(dtype))?.cast(dtype)?)
}

fn logspace(a: &Args<'_>) -> Result<Tensor> {
    let dtype = a.opt_dtype(4).unwrap_or_else(default_dtype);
    let wide = step_dtype(dtype);
    let exponents = spaced(a, "logspace", dtype, wide)?;
    let base = Number::Float(a.float(3)).recorded(wide);
    Tensor::from_value(base.map2(Scalar::Pow, &exponents)?.cast(dtype)?)
}

fn eye(rows: i64, columns: i64, dtype: Option<DType>) -> Result<Tensor> {
    for (name, n) in [("n", rows), ("m", columns)] {
        if n < 0 {
            return runtime(format!("{name} must be greater or equal to 0, got {n}"));
        }
    }
    let dtype = dtype.unwrap_or_else(default_dtype);
    if rows.checked_mul(columns).is_none() {
        return fail(Error::Shape, "numel: integer multiplication overflow");
    }
    shape_of(&[rows, columns], dtype)?;
    let (row, column) = (Recorded::iota(rows as usize)?.unsqueeze(1)?, Recorded::iota(columns as usize)?);
    Tensor::from_value(row.eq(&column)?.cast(dtype)?)
}

/// A triangle of the last two axes, zero elsewhere.
fn triangle(a: &Args<'_>, lower: bool) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    let rank = x.rank();
    if rank < 2 {
        let name = if lower { "tril" } else { "triu" };
        return runtime(format!("{name}: input tensor must have at least 2 dimensions"));
    }
    let row = Recorded::iota(x.shape()[rank - 2].get())?.unsqueeze(1)?;
    let column = Recorded::iota(x.shape()[rank - 1].get())?;
    let edge = row.add(&Number::Int(a.int(1)).recorded(DType::I64))?;
    let inside = if lower { column.le(&edge)? } else { edge.le(&column)? };
    let number = |n: i64| Recorded::constant(Literal::from_i64(DType::I64, n));
    a.writes(|| inside.select(&number(0), &number(1))?.broadcast_to(x.shape()).map(Writes::InOrder))?;
    Tensor::from_value(inside.select(&x, &x.literal(0.0))?)
}

/// Rows and columns of a triangle's elements, in row-major order.
fn triangle_indices(a: &Args<'_>, lower: bool) -> Result<Tensor> {
    let (rows, columns, offset) = (a.int(0), a.int(1), a.int(2));
    for (name, n) in [("row", rows), ("col", columns)] {
        if n < 0 {
            return runtime(format!("{name} must be non-negative, got{n}"));
        }
    }
    let dtype = a.opt_dtype(3).unwrap_or(DType::I64);
    if !matches!(dtype, DType::I64 | DType::I32) {
        return not_implemented(if lower { "tril_indices" } else { "triu_indices" }, dtype);
    }
    let within = |row: i64| {
        let edge = row.saturating_add(offset);
        if lower { 0..edge.saturating_add(1).clamp(0, columns) } else { edge.clamp(0, columns)..columns }
    };
    // The rows that have elements; the shortest is at one end, and from there they grow by one to the whole width.
    let (first, last) = match lower {
        _ if columns == 0 => (0, 0),
        true => (0i64.saturating_sub(offset).clamp(0, rows), rows),
        false => (0, columns.saturating_sub(offset).clamp(0, rows)),
    };
    let (count, width) = (i128::from(last - first), i128::from(columns));
    let shortest = within(if lower { first } else { last - 1 });
    let shortest = i128::from(shortest.end - shortest.start);
    let growing = count.min(width - shortest);
    let total = shortest * growing + growing * (growing - 1) / 2 + (count - growing) * width;
    shape_of(&[2, i64::try_from(total).unwrap_or(i64::MAX)], DType::I64)?;
    let (mut places, mut seconds) = (Vec::new(), Vec::new());
    for row in first..last {
        places.extend(within(row).map(|_| row));
        seconds.extend(within(row));
    }
    let shape = Shape::from_sizes(&[2, places.len()]);
    places.append(&mut seconds);
    let all = Recorded::from_buffer(Buffer::from_slice(&places)?, Type::new(DType::I64, shape))?;
    Tensor::from_value(all.cast(dtype)?)
}

/// The 0-d value for every element of the first argument.
fn fill_value(a: &Args<'_>) -> Result<Recorded> {
    let x = a.tensor(0);
    let value = match a.operand(1) {
        Operand::Number(n) => Recorded::scalar(checked_literal(n, x.dtype())?),
        Operand::Tensor(t) if t.dim() > 0 => {
            return runtime(format!(
                "fill_ only supports 0-dimension value tensor but got tensor with {} dimensions.",
                t.dim()
            ));
        }
        Operand::Tensor(t) => t.read()?.cast(x.dtype())?,
    };
    Ok(value)
}

fn filled_in_place(x: &Tensor, value: &Recorded) -> Result<Tensor> {
    x.fill(value)?;
    Ok(x.clone())
}

fn fill_in_place(a: &Args<'_>) -> Result<Tensor> {
    let (x, value) = (a.tensor(0), fill_value(a)?);
    // Of a tensor torch makes an element-wise copy, which is stricter.
    if !a.operand(1).is_number() {
        x.check_write(value.tracks())?;
    }
    filled_in_place(x, &value)
}

fn inferred(value: Number, dtype: Option<DType>) -> DType {
    dtype.unwrap_or_else(|| value.dtype())
}

fn new_dtype(a: &Args<'_>, i: usize) -> DType {
    a.opt_dtype(i).unwrap_or_else(|| a.tensor(0).dtype())
}

crate::entries! {
    "zeros(SymInt[] size, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY | OUT]
        "A tensor of zeros." => |a| zeros(a);
    "ones(SymInt[] size, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY | OUT]
        "A tensor of ones." => |a| filled(a.ints(0), 1, a.opt_dtype(1).unwrap_or_else(default_dtype));
    "empty.memory_format(SymInt[] size, *, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor"
        [FUNCTION | FACTORY | OUT]
        "A tensor whose elements are not specified." => |a| empty(a);
    "empty_strided(SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY]
        "A tensor with these strides whose elements are not specified."
        => |a| empty_strided(a.ints(0), a.ints(1), a.opt_dtype(2).unwrap_or_else(default_dtype));
    "empty_permuted(SymInt[] size, int[] physical_layout, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY]
        "A tensor whose axes lie in memory in this order, outermost first, and whose elements are not specified."
        => |a| empty_permuted(a.ints(0), a.ints(1), a.opt_dtype(2).unwrap_or_else(default_dtype));
    "full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY | OUT]
        "A tensor of equal numbers, in the dtype that the number suggests unless `dtype` is given."
        => |a| full(a.ints(0), a.scalar(1), inferred(a.scalar(1), a.opt_dtype(2)));
    "scalar_tensor(Scalar s, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY]
        "A number as a 0-d tensor of the default dtype, or of `dtype`."
        => |a| full(&[], a.scalar(0), a.opt_dtype(1).unwrap_or_else(default_dtype));
    "zeros_like(Tensor self, *, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor" [FUNCTION | FACTORY]
        "Zeros in the shape, dtype and memory order of `self`." => |a| constant_like(a, 0);
    "ones_like(Tensor self, *, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor" [FUNCTION | FACTORY]
        "Ones in the shape, dtype and memory order of `self`." => |a| constant_like(a, 1);
    "empty_like(Tensor self, *, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor" [FUNCTION | FACTORY]
        "A tensor in the shape, dtype and memory order of `self` whose elements are not specified."
        => |a| constant_like(a, 0);
    "full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor"
        [FUNCTION | FACTORY]
        "Equal numbers in the shape, dtype and memory order of `self`." => |a| full_like(a);
    "new_zeros(Tensor self, SymInt[] size, *, ScalarType? dtype=None) -> Tensor" [METHOD | FACTORY]
        "Zeros in the dtype of `self`." => |a| filled(a.ints(1), 0, new_dtype(a, 2));
    "new_ones(Tensor self, SymInt[] size, *, ScalarType? dtype=None) -> Tensor" [METHOD | FACTORY]
        "Ones in the dtype of `self`." => |a| filled(a.ints(1), 1, new_dtype(a, 2));
    "new_empty(Tensor self, SymInt[] size, *, ScalarType? dtype=None) -> Tensor" [METHOD | FACTORY]
        "A tensor of the dtype of `self` whose elements are not specified."
        => |a| filled(a.ints(1), 0, new_dtype(a, 2));
    "new_empty_strided(Tensor self, SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None) -> Tensor"
        [METHOD | FACTORY]
        "A tensor with these strides, of the dtype of `self`, whose elements are not specified."
        => |a| empty_strided(a.ints(1), a.ints(2), new_dtype(a, 3));
    "new_full(Tensor self, SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None) -> Tensor" [METHOD | FACTORY]
        "Equal numbers in the dtype of `self`." => |a| full(a.ints(1), a.scalar(2), new_dtype(a, 3));
    "fill.Tensor(Tensor self, Tensor value) -> Tensor" [FUNCTION | NUMBERS]
        "`value`, a number or a 0-d tensor, in the place of every element of `self`."
        => |a| placed(fill_value(a)?.broadcast_to(&a.tensor(0).sizes())?, a.tensor(0), None);
    "fill_.Tensor(Tensor(a!) self, Tensor value) -> Tensor(a!)" [FUNCTION | METHOD | NUMBERS] grad "FillBackward0"
        "Writes `value`, a number or a 0-d tensor, to every element."
        => |a| fill_in_place(a);
    "zero_(Tensor(a!) self) -> Tensor(a!)" [FUNCTION | METHOD] grad "ZeroBackward0"
        "Writes 0 to every element."
        => |a| filled_in_place(a.tensor(0), &constant(&Shape::scalar(), 0, a.tensor(0).dtype())?);
    "arange(Scalar end, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY | OUT]
        "The numbers from 0 to before `end`." => |a| arange(Number::Int(0), a.scalar(0), Number::Int(1), a.opt_dtype(1));
    "arange.start(Scalar start, Scalar end, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY | OUT]
        "The numbers from `start` to before `end`."
        => |a| arange(a.scalar(0), a.scalar(1), Number::Int(1), a.opt_dtype(2));
    "arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | FACTORY | OUT]
        "Every `step`-th number from `start` to before `end`: int64 of whole numbers, else the default dtype."
        => |a| arange(a.scalar(0), a.scalar(1), a.scalar(2), a.opt_dtype(3));
    "linspace(Tensor start, Tensor end, int steps, *, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | FACTORY | OUT | NUMBERS | NUMBERS_FIRST]
        "`steps` numbers at equal distances from `start` to `end`, both included." => |a| linspace(a);
    "logspace(Tensor start, Tensor end, int steps, float base=10.0, *, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | FACTORY | OUT | NUMBERS | NUMBERS_FIRST]
        "`base` to the power of `steps` exponents at equal distances from `start` to `end`." => |a| logspace(a);
    "eye(SymInt n, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY | OUT]
        "A square matrix with ones on the diagonal." => |a| eye(a.int(0), a.int(0), a.opt_dtype(1));
    "eye.m(SymInt n, SymInt m, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY | OUT]
        "A matrix with ones on the diagonal." => |a| eye(a.int(0), a.int(1), a.opt_dtype(2));
    "tril(Tensor self, SymInt diagonal=0) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | EXACT]
        "The lower triangles of matrices, up to the given diagonal, with zeros above." => |a| triangle(a, true);
    "triu(Tensor self, SymInt diagonal=0) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | EXACT]
        "The upper triangles of matrices, from the given diagonal on, with zeros below." => |a| triangle(a, false);
    "tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY]
        "Rows and columns of the elements of a lower triangle, as a tensor of two rows."
        => |a| triangle_indices(a, true);
    "triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY]
        "Rows and columns of the elements of an upper triangle, as a tensor of two rows."
        => |a| triangle_indices(a, false);
}
