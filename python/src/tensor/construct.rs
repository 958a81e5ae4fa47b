//! Tensors from Python's data: numbers, nested sequences, arrays, other tensors.

use super::{PyTensor, array, buffer::Foreign, values};
use crate::boundary::call;
use crate::device;
use crate::dtype;
use crate::error::{invalid, type_error, value_error};
use crate::glue;
use crate::number;
use crate::parse::sequence;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use rustorch_backend::buffer::Buffer;
use rustorch_frontend::gradient::Scope;
use rustorch_frontend::registry::{Scalar, default_dtype};
use rustorch_frontend::{Tensor, grad_mode};
use rustorch_ir::graph::Type;
use rustorch_ir::{DType, Shape};

/// How deep torch looks into nested sequences.
const MAX_DEPTH: usize = 128;

/// `rt.tensor`: a leaf with memory of its own.
#[pyfunction]
#[pyo3(signature = (data, *, dtype=None, device=None, requires_grad=false, pin_memory=false))]
pub fn tensor<'py>(
    data: &Bound<'py, PyAny>,
    dtype: Option<&Bound<'py, PyAny>>,
    device: Option<&Bound<'py, PyAny>>,
    requires_grad: bool,
    pin_memory: bool,
) -> PyResult<Bound<'py, PyTensor>> {
    let py = data.py();
    device::check_pin_memory(py, pin_memory)?;
    if number::tensor(data).is_some() {
        glue::user_warning(
            py,
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or \
             sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
        )?;
    }
    let dtype = wanted(py, "tensor", dtype, device)?;
    finished(py, from_data(data, dtype)?, requires_grad)
}

/// `rt.as_tensor`: shares what can be shared.
#[pyfunction]
#[pyo3(signature = (data, dtype=None, device=None))]
pub fn as_tensor<'py>(
    data: &Bound<'py, PyAny>,
    dtype: Option<&Bound<'py, PyAny>>,
    device: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTensor>> {
    let py = data.py();
    let dtype = wanted(py, "as_tensor", dtype, device)?;
    if let Ok(object) = data.cast::<PyTensor>() {
        let tensor = &object.get().tensor;
        return match dtype {
            Some(dtype) if dtype != tensor.dtype() => PyTensor::wrap(py, cast(py, tensor, dtype)?),
            _ => Ok(object.clone()),
        };
    }
    if glue::is_numpy_array(data) {
        let shared = array::shared(data)?;
        let tensor = match dtype {
            Some(dtype) if dtype != shared.dtype() => cast(py, &shared, dtype)?,
            _ => shared,
        };
        return PyTensor::wrap(py, tensor);
    }
    PyTensor::wrap(py, from_data(data, dtype)?)
}

/// `tensor.new_tensor`: as `tensor`, by default of the same dtype.
pub fn new_tensor<'py>(
    like: &Tensor,
    data: &Bound<'py, PyAny>,
    dtype: Option<&Bound<'py, PyAny>>,
    device: Option<&Bound<'py, PyAny>>,
    requires_grad: bool,
) -> PyResult<Bound<'py, PyTensor>> {
    let py = data.py();
    let dtype = wanted(py, "new_tensor", dtype, device)?.unwrap_or(like.dtype());
    finished(py, from_data(data, Some(dtype))?, requires_grad)
}

fn wanted(
    py: Python<'_>,
    function: &str,
    dtype: Option<&Bound<'_, PyAny>>,
    device: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<DType>> {
    if let Some(device) = device
        && !device::check(device)?
    {
        let got = device.get_type().name()?;
        return Err(type_error(
            py,
            format!("{function}(): argument 'device' must be torch.device, not {got}"),
        ));
    }
    dtype
        .map(|object| {
            dtype::from_object(object).ok_or_else(|| {
                let got = object.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string());
                type_error(py, format!("{function}(): argument 'dtype' must be torch.dtype, not {got}"))
            })
        })
        .transpose()
}

fn finished(py: Python<'_>, tensor: Tensor, requires_grad: bool) -> PyResult<Bound<'_, PyTensor>> {
    if requires_grad {
        require_grad(py, &tensor)?;
    }
    PyTensor::wrap(py, tensor)
}

/// Makes a new tensor a leaf that wants its gradient.
pub fn require_grad(py: Python<'_>, tensor: &Tensor) -> PyResult<()> {
    if !tensor.dtype().is_float() {
        return Err(invalid(py, "Only Tensors of floating point and complex dtype can require gradients"));
    }
    call(py, || tensor.set_requires_grad(true))
}

/// The tensor in another dtype, in the same order in memory; gradients pass.
pub fn cast(py: Python<'_>, tensor: &Tensor, dtype: DType) -> PyResult<Tensor> {
    let _scope = Scope::enter("ToCopyBackward0");
    call(py, || tensor.like(tensor.read()?.cast(dtype)?))
}

/// A copy of the data, without gradient.
pub fn from_data(data: &Bound<'_, PyAny>, dtype: Option<DType>) -> PyResult<Tensor> {
    copied(data, dtype, Survey { sizing: true, ..Survey::default() })
}

fn copied(data: &Bound<'_, PyAny>, dtype: Option<DType>, mut found: Survey) -> PyResult<Tensor> {
    let py = data.py();
    if let Some(source) = number::tensor(data) {
        let dtype = dtype.unwrap_or(source.dtype());
        return call(py, || {
            grad_mode::no_grad(|| {
                let value = source.read()?.detach();
                source.like(if value.dtype() == dtype { value.fence()? } else { value.cast(dtype)? })
            })
        });
    }
    if glue::is_numpy_array(data) {
        let own = match Foreign::of(data) {
            Ok(foreign) => {
                let copy = foreign.copied(py)?;
                let array = foreign.shared(py)?;
                call(py, || array.like(copy.read()?))?
            }
            // Negative or odd strides: an ordinary copy has neither.
            Err(error) if error.is_instance_of::<pyo3::exceptions::PyValueError>(py) => {
                Foreign::of(&data.call_method0("copy")?)?.copied(py)?
            }
            Err(error) => return Err(error),
        };
        return match dtype {
            Some(dtype) if dtype != own.dtype() => cast(py, &own, dtype),
            _ => Ok(own),
        };
    }
    found.look(data, 0)?;
    let dtype = dtype.unwrap_or_else(|| found.dtype());
    let shape: Shape = found.sizes.iter().copied().collect();
    let bytes = found.sizes.iter().try_fold(dtype.size(), |n, &size| n.checked_mul(size));
    let mut out = Vec::with_capacity(bytes.unwrap_or(0));
    fill(data, &found.sizes, dtype, &mut out)?;
    from_filled(py, out, dtype, shape)
}

fn from_filled(py: Python<'_>, bytes: Vec<u8>, dtype: DType, shape: Shape) -> PyResult<Tensor> {
    call(py, || Tensor::from_buffer(Buffer::from_slice(&bytes)?, Type::new(dtype, shape)))
}

pub fn from_bytes(py: Python<'_>, bytes: &[u8], dtype: DType, sizes: &[usize]) -> PyResult<Tensor> {
    let shape = Shape::from_sizes(sizes);
    if shape.checked_numel().and_then(|n| n.checked_mul(dtype.size())) != Some(bytes.len()) {
        return Err(value_error(py, "the data does not fit the sizes"));
    }
    from_filled(py, bytes.to_vec(), dtype, shape)
}

/// What nested sequences hold.
#[derive(Default)]
struct Survey {
    sizes: Vec<usize>,
    dtype: Option<DType>,
    floats: bool,
    ints: bool,
    bools: bool,
    /// Whether the axes are counted before the items are looked at.
    sizing: bool,
}

impl Survey {
    fn dtype(&self) -> DType {
        let numbers = match self {
            Survey { floats: true, .. } => Some(default_dtype()),
            Survey { ints: true, .. } => Some(DType::I64),
            Survey { bools: true, .. } => Some(DType::Bool),
            _ => None,
        };
        match (self.dtype, numbers) {
            (Some(a), Some(b)) => a.promote(b),
            (a, b) => a.or(b).unwrap_or_else(default_dtype),
        }
    }

    fn has_items(&self) -> bool {
        self.floats || self.ints || self.bools || self.dtype.is_some()
    }

    fn look(&mut self, object: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
        let py = object.py();
        if let Some(tensor) = number::tensor(object) {
            self.dtype = Some(self.dtype.map_or(tensor.dtype(), |d| d.promote(tensor.dtype())));
            return self.look_at_sizes(py, &tensor.sizes().sizes(), depth);
        }
        if glue::is_numpy_array(object) {
            let foreign = Foreign::of(&object.call_method0("copy")?)?;
            self.dtype = Some(self.dtype.map_or(foreign.dtype, |d| d.promote(foreign.dtype)));
            return self.look_at_sizes(py, &foreign.shape.sizes(), depth);
        }
        if glue::is_numpy_scalar(object)
            && let Some(dtype) = numpy_dtype(object)?
        {
            self.dtype = Some(self.dtype.map_or(dtype, |d| d.promote(dtype)));
            return self.look_at_sizes(py, &[], depth);
        }
        if number::is_int(object) {
            self.ints = true;
            return self.look_at_sizes(py, &[], depth);
        }
        if let Some(scalar) = number::plain(object)? {
            match scalar {
                Scalar::Float(_) => self.floats = true,
                Scalar::Int(_) => self.ints = true,
                Scalar::Bool(_) => self.bools = true,
            }
            return self.look_at_sizes(py, &[], depth);
        }
        let Some(items) = items(object) else {
            let got = object.get_type().name()?;
            let text = object.is_instance_of::<PyString>();
            // torch counts the axes along the first items, where it takes a text for a sequence without end.
            return Err(
                if text && self.sizing && depth > 0 && depth == self.sizes.len() && !self.has_items() {
                    value_error(py, format!("too many dimensions '{got}'"))
                } else if text {
                    no_data(object)
                } else {
                    invalid(py, format!("Could not infer dtype of {got}"))
                },
            );
        };
        if depth >= MAX_DEPTH {
            return Err(value_error(py, format!("too many dimensions '{}'", object.get_type().name()?)));
        }
        self.look_at_length(py, items.len(), depth)?;
        for item in &items {
            self.look(item, depth + 1)?;
        }
        Ok(())
    }

    fn look_at_length(&mut self, py: Python<'_>, length: usize, depth: usize) -> PyResult<()> {
        match self.sizes.get(depth) {
            Some(&expected) if expected != length => Err(value_error(
                py,
                format!("expected sequence of length {expected} at dim {depth} (got {length})"),
            )),
            Some(_) => Ok(()),
            None => {
                self.sizes.push(length);
                Ok(())
            }
        }
    }

    /// The sizes of an element that has some of its own; a number has none.
    fn look_at_sizes(&mut self, py: Python<'_>, sizes: &[usize], depth: usize) -> PyResult<()> {
        for (i, &size) in sizes.iter().enumerate() {
            self.look_at_length(py, size, depth + i)?;
        }
        if self.sizes.len() > depth + sizes.len() {
            return Err(type_error(py, "not a sequence"));
        }
        Ok(())
    }
}

fn numpy_dtype(object: &Bound<'_, PyAny>) -> PyResult<Option<DType>> {
    let name: String = object.getattr("dtype")?.getattr("name")?.extract()?;
    Ok(DType::ALL.into_iter().find(|dtype| dtype.torch_name() == name))
}

/// torch's refusal of texts.
pub fn no_data(object: &Bound<'_, PyAny>) -> PyErr {
    let got = object.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string());
    type_error(object.py(), format!("new(): invalid data type '{got}'"))
}

/// The items of anything that torch takes for a sequence.
fn items<'py>(object: &Bound<'py, PyAny>) -> Option<crate::parse::Items<'py>> {
    if let Some(items) = sequence(object) {
        return Some(items);
    }
    if object.is_instance_of::<PyString>() || object.is_instance_of::<PyDict>() {
        return None;
    }
    let length = object.len().ok()?;
    (0..length).map(|i| object.get_item(i).ok()).collect()
}

fn fill(object: &Bound<'_, PyAny>, sizes: &[usize], dtype: DType, out: &mut Vec<u8>) -> PyResult<()> {
    let py = object.py();
    let Some((&size, rest)) = sizes.split_first() else {
        let scalar = match values::of_object(object) {
            // A whole number of any length is a float.
            _ if dtype.is_float() && number::is_int(object) => Scalar::Float(object.extract()?),
            Err(_) if number::is_int(object) => return Err(value_error(py, number::TOO_LONG)),
            Err(error) => return Err(error),
            Ok(Some(scalar)) => scalar,
            Ok(None) if glue::is_numpy_array(object) => {
                number::plain(&object.call_method0("item")?)?.ok_or_else(|| type_error(py, "not a number"))?
            }
            Ok(None) => return Err(type_error(py, "not a number")),
        };
        checked(py, scalar, dtype)?;
        out.extend_from_slice(&scalar.literal(dtype).bits.to_le_bytes()[..dtype.size()]);
        return Ok(());
    };
    if let Some(tensor) = number::tensor(object) {
        return fill(&values::tolist(py, &tensor.detach())?, sizes, dtype, out);
    }
    let Some(items) = items(object) else { return Err(type_error(py, "not a sequence")) };
    if items.len() != size {
        return Err(value_error(py, format!("expected sequence of length {size} (got {})", items.len())));
    }
    items.iter().try_for_each(|item| fill(item, rest, dtype, out))
}

/// torch refuses integers that the dtype cannot hold.
fn checked(py: Python<'_>, scalar: Scalar, dtype: DType) -> PyResult<()> {
    if !dtype.is_integer() {
        return Ok(());
    }
    let Some((low, high)) = dtype.integer_range() else { return Ok(()) };
    let fits = match scalar {
        Scalar::Bool(_) => true,
        Scalar::Int(value) => {
            (low..=high).contains(&value) || (dtype == DType::U8 && (-high..0).contains(&value))
        }
        Scalar::Float(value) => value.is_finite() && value >= low as f64 && value <= high as f64,
    };
    if fits {
        return Ok(());
    }
    Err(invalid(py, format!("value cannot be converted to type {} without overflow", dtype.torch_name())))
}

/// The index that a sequence in a subscript stands for. As in torch, floats are cut.
pub fn index_tensor(object: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let tensor = copied(object, None, Survey::default())?;
    if tensor.dtype().is_float() {
        return copied(object, Some(DType::I64), Survey::default());
    }
    Ok(tensor)
}

/// The constructor `rt.Tensor(...)`: sizes, data, or another tensor.
pub fn legacy(
    py: Python<'_>,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<Tensor> {
    for (name, value) in kwargs.into_iter().flatten() {
        let name: String = name.extract()?;
        if name != "device" || !device::check(&value)? {
            return Err(type_error(
                py,
                format!("new() received an invalid combination of arguments - got {name}="),
            ));
        }
    }
    let sized = |sizes: &[i64]| -> PyResult<Tensor> {
        let sizes: Vec<usize> = sizes
            .iter()
            .map(|&size| {
                usize::try_from(size).map_err(|_| {
                    invalid(py, format!("Trying to create tensor with negative dimension {size}: {sizes:?}"))
                })
            })
            .collect::<PyResult<_>>()?;
        let shape = Shape::from_sizes(&sizes);
        let bytes = shape.checked_numel().and_then(|n| n.checked_mul(default_dtype().size()));
        let Some(bytes) = bytes else {
            return Err(invalid(py, format!("Storage size calculation overflowed with sizes={shape}")));
        };
        call(py, || Tensor::from_buffer(Buffer::zeroed(bytes)?, Type::new(default_dtype(), shape)))
    };
    let items: Vec<Bound<'_, PyAny>> = args.iter().collect();
    match items.as_slice() {
        [] => sized(&[0]),
        [only] if number::tensor(only).is_some() => {
            let source = number::tensor(only).map(Tensor::detach);
            source.ok_or_else(|| type_error(py, "new(): data must be a tensor"))
        }
        [only] if only.get_type().is(glue::size_class(py)?) => sized(&only.extract::<Vec<i64>>()?),
        [only] if !number::is_index(only) => from_data(only, Some(default_dtype())),
        sizes => {
            let sizes = crate::parse::ints(sizes);
            sized(&sizes.map_err(|_| type_error(py, "new(): sizes must be integers"))?)
        }
    }
}
