//! Calling an overload: names its gradient function, and gives it its in-place form.

use super::{Arg, Args, Entry, Overload, Ret, Signature, kinds};
use crate::error::{Error, Result, fail};
use crate::gradient::Scope;
use crate::promote::type_name;
use crate::tensor::Tensor;
use crate::view::Writes;
use rustorch_ir::{Category, DType};

impl Overload {
    /// Panics if the schema does not parse: a defect that a test finds.
    pub(super) fn new(entry: &'static Entry, in_place: bool) -> Overload {
        let signature = Signature::parse(entry.schema).unwrap_or_else(|error| panic!("{error}"));
        let grad = entry.grad.unwrap_or_else(|| super::leak(grad_name(signature.name)));
        Overload { entry, signature, in_place, grad }
    }

    /// Runs the operation with arguments in the order of the schema. The in-place form returns nothing new: its
    /// result is the tensor at [`Signature::receiver`], which was written unless the operation gave it back as it was.
    pub fn call(&self, args: &Args<'_>) -> Result<Ret> {
        let scope = Scope::enter(self.grad);
        let in_place = self.in_place || self.signature.in_place.is_some_and(|i| args.bool(i));
        if !in_place {
            return (self.entry.call)(&args.of_call(&scope, None, None));
        }
        let receiver = self.signature.receiver.unwrap_or(0);
        let target = args.tensor(receiver);
        let tracks = (0..args.len()).any(|i| matches!(args.get(i), Arg::Tensor(t) if t.requires_grad()));
        target.check_fill(tracks)?;
        let inner = args.of_call(&scope, Some(target), Some(receiver));
        if self.entry.kind & kinds::MEETS == 0 {
            inner.require_together()?;
        }
        let Ret::Tensor(result) = (self.entry.call)(&inner)? else {
            return Err(Error::Runtime(format!("{}_ has no single result to write", self.signature.name)));
        };
        if result.is_same(target) {
            return Ok(Ret::Tensor(result));
        }
        write_shared(target, &result, inner.written().as_ref())?;
        if inner.saves_result() {
            scope.save(target)?;
        }
        Ok(Ret::Tensor(target.clone()))
    }
}

/// Writes `result` to `target` in the target's dtype, with torch's refusals of what would lose its category.
pub fn write_result(target: &Tensor, result: &Tensor) -> Result<()> {
    write_shared(target, result, None)
}

fn write_shared(target: &Tensor, result: &Tensor, writes: Option<&Writes>) -> Result<()> {
    check_cast(result.dtype(), target.dtype())?;
    let value = result.read()?;
    let value = if value.dtype() == target.dtype() { value } else { value.cast(target.dtype())? };
    match writes {
        Some(writes) => target.write_shared(value, writes),
        None => target.write(value),
    }
}

fn check_cast(from: DType, to: DType) -> Result<()> {
    if can_cast(from, to) {
        return Ok(());
    }
    Err(Error::DType(format!(
        "result type {} can't be cast to the desired output type {}",
        from.scalar_type_name(),
        to.scalar_type_name()
    )))
}

/// Whether `result` of the operation may be written to `out`.
pub fn check_out(operation: &Overload, out: &Tensor, result: &Tensor) -> Result<()> {
    let name = operation.signature.name;
    if out.requires_grad() || result.requires_grad() {
        return fail(
            Error::Autograd,
            format!(
                "{name}(): functions with out=... arguments don't support automatic differentiation, but one of the \
                 arguments requires grad."
            ),
        );
    }
    if operation.entry.kind & kinds::EXACT != 0 && out.dtype() != result.dtype() {
        return Err(Error::DType(format!(
            "Expected out tensor to have dtype {}, but got {} instead",
            type_name(result.dtype()),
            type_name(out.dtype())
        )));
    }
    check_cast(result.dtype(), out.dtype())
}

/// Writes `result` to `out`, which takes its shape.
pub fn write_out(out: &Tensor, result: &Tensor) -> Result<()> {
    // What is written may be a view of `out` itself.
    let value = result.read()?;
    if out.sizes() != result.sizes() {
        out.resize_as(result)?;
    }
    out.write(value.detach().cast(out.dtype())?)
}

/// torch's rule for what a result may be converted to: not from a higher category to a lower one.
pub fn can_cast(from: DType, to: DType) -> bool {
    let rank = |dtype: DType| match dtype.category() {
        Category::Bool => 0,
        Category::Integer => 1,
        Category::Float => 2,
    };
    rank(from) <= rank(to)
}

/// `AddBackward0` for `add`, `LogSoftmaxBackward0` for `log_softmax`.
fn grad_name(name: &str) -> String {
    let camel: String = name
        .split('_')
        .map(|part| part[..part.len().min(1)].to_uppercase() + part.get(1..).unwrap_or_default())
        .collect();
    camel + "Backward0"
}
