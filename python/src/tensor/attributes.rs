//! Questions that torch code asks of any tensor, and that have one answer for dense ones on a CPU.

use super::PyTensor;
use crate::boundary::blocking;
use crate::device;
use pyo3::prelude::*;

macro_rules! never {
    (properties $($property:ident)*; methods $($method:ident)*) => {
        #[pymethods]
        impl PyTensor {
            $(#[getter] fn $property(&self) -> bool { false })*
            $(fn $method(&self) -> bool { false })*
        }
    };
}

never! {
    properties is_cuda is_ipu is_maia is_meta is_mkldnn is_mps is_mtia is_nested is_quantized is_sparse is_sparse_csr
        is_vulkan is_xla is_xpu;
    methods is_complex is_conj is_distributed is_neg is_pinned is_shared
}

#[pymethods]
impl PyTensor {
    #[getter]
    fn is_cpu(&self) -> bool {
        true
    }

    #[getter]
    fn name(&self) -> Option<String> {
        None
    }

    fn const_data_ptr(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let tensor = slf.get().tensor.clone();
        blocking(slf.py(), move || tensor.data_ptr())
    }

    fn is_same_size(&self, other: &Bound<'_, PyTensor>) -> bool {
        self.tensor.sizes() == other.get().tensor.sizes()
    }

    fn is_nonzero(slf: &Bound<'_, Self>) -> PyResult<bool> {
        super::values::truth(slf.py(), &slf.get().tensor)
    }

    fn resolve_conj<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn resolve_neg<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    /// Refused: there is no such device.
    #[pyo3(signature = (device=None, non_blocking=false, memory_format=None))]
    fn cuda(
        slf: &Bound<'_, Self>,
        device: Option<&Bound<'_, PyAny>>,
        non_blocking: bool,
        memory_format: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _refused = (device, non_blocking, memory_format);
        Err(device::no_cuda(slf.py()))
    }
}
