//! Devices, layouts and memory formats: what torch code says about where and how, of which one each exists here.

use crate::error::{invalid, named, type_error};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

/// `rt.device("cpu")`.
#[pyclass(frozen, eq, hash, name = "device", module = "rustorch")]
#[derive(PartialEq, Eq, Hash)]
pub struct Device {
    index: Option<i64>,
}

const KNOWN: [&str; 20] = [
    "cpu",
    "cuda",
    "ipu",
    "xpu",
    "mkldnn",
    "opengl",
    "opencl",
    "ideep",
    "hip",
    "ve",
    "fpga",
    "maia",
    "xla",
    "lazy",
    "vulkan",
    "mps",
    "meta",
    "hpu",
    "mtia",
    "privateuseone",
];

/// The number behind the colon of a device string: nothing, or digits without leading zeros.
fn ordinal(rest: &str) -> Option<Option<i64>> {
    if rest.is_empty() {
        return Some(None);
    }
    let digits = rest.strip_prefix(':')?;
    let plain = digits == "0" || !digits.starts_with(['0', '+', '-']);
    digits.parse().ok().filter(|_| plain).map(Some)
}

impl Device {
    fn parse(py: Python<'_>, text: &str, index: Option<i64>) -> PyResult<Device> {
        let refused = |message: String| named(py, "DeviceError", message);
        if text.is_empty() {
            return Err(refused("Device string must not be empty".into()));
        }
        let end = text.find(|c: char| !c.is_ascii_alphabetic() && c != '_').unwrap_or(text.len());
        let (kind, rest) = text.split_at(end);
        let Some(number) = ordinal(rest).filter(|_| !kind.is_empty()) else {
            return Err(refused(format!("Invalid device string: '{text}'")));
        };
        if !KNOWN.contains(&kind) {
            let known = KNOWN.join(", ");
            return Err(refused(format!(
                "Expected one of {known} device type at start of device string: {kind}"
            )));
        }
        let number = number.or(index);
        if kind == "cuda" {
            return Err(no_cuda(py));
        }
        if kind != "cpu" {
            return Err(refused(format!(
                "the device '{text}' is not available: rustorch computes on the CPU; use device='cpu'"
            )));
        }
        match number {
            None | Some(0) => Ok(Device { index: number }),
            Some(number) => Err(refused(format!("CPU device index must be -1 or zero, got {number}"))),
        }
    }
}

/// torch's refusal where it was built for the CPU alone.
pub fn no_cuda(py: Python<'_>) -> PyErr {
    named(
        py,
        "DeviceError",
        "Torch not compiled with CUDA enabled: rustorch computes on the CPU; use device='cpu'",
    )
}

/// Whether the object is of a kind that names a device, there or not.
pub fn names_one(object: &Bound<'_, PyAny>) -> bool {
    object.is_none()
        || object.cast_exact::<Device>().is_ok()
        || object.is_instance_of::<PyString>()
        || crate::number::is_index(object)
}

/// `Ok` for the CPU in any form: `None`, `"cpu"`, a [`Device`].
pub fn check(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    if object.is_none() || object.cast_exact::<Device>().is_ok() {
        return Ok(true);
    }
    let py = object.py();
    if let Ok(text) = object.cast::<PyString>() {
        Device::parse(py, text.to_str()?, None)?;
        return Ok(true);
    }
    if crate::number::is_index(object) {
        let message =
            format!("the device {object} is not available: rustorch computes on the CPU; use device='cpu'");
        return Err(named(py, "DeviceError", message));
    }
    Ok(false)
}

pub fn cpu<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, Device>> {
    static CPU: PyOnceLock<Py<Device>> = PyOnceLock::new();
    CPU.get_or_try_init(py, || Py::new(py, Device { index: None })).map(|cpu| cpu.bind(py))
}

#[pymethods]
impl Device {
    #[new]
    #[pyo3(signature = (r#type, index=None))]
    fn new(r#type: &Bound<'_, PyAny>, index: Option<i64>) -> PyResult<Device> {
        let py = r#type.py();
        if let Ok(text) = r#type.cast::<PyString>() {
            return Device::parse(py, text.to_str()?, index);
        }
        if let Ok(device) = r#type.cast_exact::<Device>() {
            return Ok(Device { index: device.get().index });
        }
        let got = r#type.get_type().name()?;
        Err(type_error(py, format!("device(): argument 'type' (position 1) must be str, not {got}")))
    }

    #[getter]
    fn r#type(&self) -> &'static str {
        "cpu"
    }

    #[getter]
    fn index(&self) -> Option<i64> {
        self.index
    }

    fn __repr__(&self) -> String {
        match self.index {
            None => "device(type='cpu')".into(),
            Some(index) => format!("device(type='cpu', index={index})"),
        }
    }

    fn __str__(&self) -> String {
        match self.index {
            None => "cpu".into(),
            Some(index) => format!("cpu:{index}"),
        }
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<(Py<PyAny>, (String,))> {
        Ok((slf.get_type().into_any().unbind(), (slf.get().__str__(),)))
    }
}

/// `rt.strided` and the memory formats: names of what there is.
#[pyclass(frozen, module = "rustorch")]
pub struct Layout;

#[pymethods]
impl Layout {
    fn __repr__(&self) -> &'static str {
        "rustorch.strided"
    }

    fn __reduce__(&self) -> &'static str {
        "strided"
    }
}

#[pyclass(frozen, module = "rustorch", name = "memory_format")]
pub struct MemoryFormat(&'static str);

#[pymethods]
impl MemoryFormat {
    fn __repr__(&self) -> String {
        format!("rustorch.{}_format", self.0)
    }

    fn __reduce__(&self) -> String {
        format!("{}_format", self.0)
    }
}

/// `"contiguous"` or `"preserve"`; `Ok(None)` if the object is no memory format.
pub fn memory_format(object: &Bound<'_, PyAny>) -> Option<&'static str> {
    object.cast_exact::<MemoryFormat>().ok().map(|format| format.get().0)
}

pub fn is_layout(object: &Bound<'_, PyAny>) -> bool {
    object.cast_exact::<Layout>().is_ok()
}

/// torch refuses to pin memory on a machine without accelerator.
pub fn check_pin_memory(py: Python<'_>, pin: bool) -> PyResult<()> {
    if pin {
        return Err(invalid(py, "Cannot access accelerator device when none is available."));
    }
    Ok(())
}

pub fn layout<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, Layout>> {
    static STRIDED: PyOnceLock<Py<Layout>> = PyOnceLock::new();
    STRIDED.get_or_try_init(py, || Py::new(py, Layout)).map(|layout| layout.bind(py))
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<Device>()?;
    module.add("layout", py.get_type::<Layout>())?;
    module.add("memory_format", py.get_type::<MemoryFormat>())?;
    module.add("strided", layout(py)?)?;
    module.add("contiguous_format", Py::new(py, MemoryFormat("contiguous"))?)?;
    module.add("preserve_format", Py::new(py, MemoryFormat("preserve"))?)
}
