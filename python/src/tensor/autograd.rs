//! Gradients: `.grad`, hooks, `backward`, and the functions behind `rustorch.autograd`.

use super::PyTensor;
use crate::boundary::{blocking, call};
use crate::error::{named, park, raise, type_error};
use crate::glue;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};
use rustorch_frontend::gradient::{GradNode, Hook, HookId, PostHook};
use rustorch_frontend::{Error, Tensor, autograd as engine};
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::{Arc, PoisonError};

#[pymethods]
impl PyTensor {
    #[getter]
    fn get_grad<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyTensor>>> {
        grad(slf)
    }

    #[setter]
    fn set_grad(slf: &Bound<'_, Self>, grad: &Bound<'_, PyAny>) -> PyResult<()> {
        set_grad(slf, grad)
    }

    #[deleter]
    fn delete_grad(slf: &Bound<'_, Self>) -> PyResult<()> {
        set_grad(slf, slf.py().None().bind(slf.py()))
    }

    #[getter]
    fn get_requires_grad(&self) -> bool {
        self.tensor.requires_grad()
    }

    #[setter]
    fn set_requires_grad(&self, py: Python<'_>, requires_grad: bool) -> PyResult<()> {
        require_grad(py, &self.tensor, requires_grad)
    }

    #[pyo3(signature = (requires_grad=true))]
    fn requires_grad_<'py>(slf: &Bound<'py, Self>, requires_grad: bool) -> PyResult<Bound<'py, Self>> {
        require_grad(slf.py(), &slf.get().tensor, requires_grad)?;
        Ok(slf.clone())
    }

    #[getter]
    fn is_leaf(&self, py: Python<'_>) -> PyResult<bool> {
        call(py, || self.tensor.is_leaf())
    }

    #[getter]
    fn retains_grad(&self, py: Python<'_>) -> PyResult<bool> {
        self.tensor.retains_grad().map_err(|error| raise(py, error))
    }

    #[getter]
    fn grad_fn<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, GradFn>>> {
        grad_fn(py, &self.tensor)
    }

    #[getter]
    fn output_nr(&self, py: Python<'_>) -> PyResult<u8> {
        self.tensor.output_nr().map_err(|error| raise(py, error))
    }

    fn retain_grad(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.tensor.retain_grad())
    }

    fn register_hook(&self, py: Python<'_>, hook: Py<PyAny>) -> PyResult<HookHandle> {
        register_hook(py, &self.tensor, hook)
    }

    fn register_post_accumulate_grad_hook(slf: &Bound<'_, Self>, hook: Py<PyAny>) -> PyResult<HookHandle> {
        register_post_hook(slf, hook)
    }

    #[pyo3(signature = (gradient=None, retain_graph=None, create_graph=false, inputs=None))]
    fn backward(
        slf: &Bound<'_, Self>,
        gradient: Option<&Bound<'_, PyAny>>,
        retain_graph: Option<bool>,
        create_graph: bool,
        inputs: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        backward(slf, gradient, retain_graph, create_graph, inputs)
    }

    fn detach<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTensor>> {
        PyTensor::wrap(py, self.tensor.detach())
    }

    fn detach_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        detach_in_place(slf)?;
        Ok(slf.clone())
    }

    #[getter]
    fn get_data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTensor>> {
        PyTensor::wrap(py, self.tensor.data())
    }

    #[setter]
    fn set_data(&self, py: Python<'_>, data: &Bound<'_, PyTensor>) -> PyResult<()> {
        call(py, || self.tensor.set_data(&data.get().tensor))
    }

    #[getter]
    fn _version(&self, py: Python<'_>) -> PyResult<u64> {
        self.tensor.version().map_err(|error| raise(py, error))
    }
}

fn grad<'py>(slf: &Bound<'py, PyTensor>) -> PyResult<Option<Bound<'py, PyTensor>>> {
    let py = slf.py();
    let this = slf.get();
    let mut kept = this.grad.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(grad) = this.tensor.grad() else {
        *kept = None;
        if call(py, || Ok(!this.tensor.is_leaf()? && !this.tensor.retains_grad()?))? {
            glue::user_warning(
                py,
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute \
                 won't be populated during autograd.backward(). If you indeed want the .grad field to be populated \
                 for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor \
                 by mistake, make sure you access the leaf Tensor instead.",
            )?;
        }
        return Ok(None);
    };
    if let Some(object) = kept.as_ref()
        && object.get().tensor.is_same(&grad)
    {
        return Ok(Some(object.bind(py).clone()));
    }
    let object = PyTensor::wrap(py, grad)?;
    *kept = Some(object.clone().unbind());
    Ok(Some(object))
}

fn set_grad(slf: &Bound<'_, PyTensor>, grad: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = slf.py();
    let object = match grad.cast::<PyTensor>() {
        Ok(object) => Some(object),
        Err(_) if grad.is_none() => None,
        Err(_) => {
            let got = grad.get_type().name()?;
            let message = format!("assigned grad expected to be a Tensor or None but got grad of type {got}");
            return Err(type_error(py, message));
        }
    };
    let this = slf.get();
    call(py, || this.tensor.set_grad(object.map(|object| object.get().tensor.clone())))?;
    *this.grad.lock().unwrap_or_else(PoisonError::into_inner) = object.map(|object| object.clone().unbind());
    Ok(())
}

fn require_grad(py: Python<'_>, tensor: &Tensor, requires_grad: bool) -> PyResult<()> {
    call(py, || tensor.set_requires_grad(requires_grad))
}

fn detach_in_place(slf: &Bound<'_, PyTensor>) -> PyResult<()> {
    let tensor = &slf.get().tensor;
    if tensor.is_view() {
        return Err(named(
            slf.py(),
            "AutogradError",
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for \
             training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence \
             detach_() cannot be called on these gradients. To fix this error, please refer to the \
             Optimizer.zero_grad() function in torch/optim/optimizer.py as a solution.",
        ));
    }
    tensor.detach_in_place();
    Ok(())
}

/// A function of the gradient graph: torch's `grad_fn`, of a class that is called as the function is.
#[pyclass(frozen, subclass, module = "rustorch.autograd", name = "Node")]
pub struct GradFn {
    node: Arc<GradNode>,
}

thread_local! {
    /// The node for which `__new__` is to make an object.
    static PLANNED: RefCell<Option<Arc<GradNode>>> = const { RefCell::new(None) };
}

impl GradFn {
    fn wrap(py: Python<'_>, node: Arc<GradNode>) -> PyResult<Bound<'_, GradFn>> {
        let class = GradFn::class(py, node.name())?;
        PLANNED.set(Some(node));
        let made = class.call0();
        PLANNED.set(None);
        Ok(made?.cast_into()?)
    }

    /// The class for functions of this name: there are as many as there are operations that users call.
    fn class<'py>(py: Python<'py>, name: Cow<'static, str>) -> PyResult<Bound<'py, PyAny>> {
        static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
        let classes = CLASSES.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
        if let Some(known) = classes.get_item(&*name)? {
            return Ok(known);
        }
        let attributes = PyDict::new(py);
        // torch's are built in.
        attributes.set_item("__module__", "builtins")?;
        attributes.set_item("__slots__", PyTuple::empty(py))?;
        let class = py.get_type::<PyType>().call1((&*name, (py.get_type::<GradFn>(),), attributes))?;
        classes.set_item(&*name, &class)?;
        Ok(class)
    }
}

#[pymethods]
impl GradFn {
    #[new]
    fn new(py: Python<'_>) -> PyResult<GradFn> {
        let node = PLANNED.take().ok_or_else(|| type_error(py, "cannot create 'Node' instances"))?;
        Ok(GradFn { node })
    }

    fn name(&self) -> String {
        self.node.name().into_owned()
    }

    /// The functions that this one's gradients go to, with the number of the result each belongs to.
    #[getter]
    fn next_functions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let next = self.node.next_functions().into_iter();
        let made = next.map(|(node, port)| Ok((GradFn::wrap(py, node)?, port)));
        PyTuple::new(py, made.collect::<PyResult<Vec<_>>>()?)
    }

    fn __repr__(&self) -> String {
        format!("<{} object at {:p}>", self.node.name(), Arc::as_ptr(&self.node))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<GradFn>().is_ok_and(|other| Arc::ptr_eq(&self.node, &other.get().node))
    }

    fn __hash__(&self) -> isize {
        Arc::as_ptr(&self.node) as isize >> 4
    }
}

fn grad_fn<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Option<Bound<'py, GradFn>>> {
    let node = tensor.grad_node().map_err(|error| raise(py, error))?;
    node.map(|(node, _)| GradFn::wrap(py, node)).transpose()
}

/// Removes a hook.
#[pyclass(frozen, module = "rustorch.utils.hooks", name = "TensorHookHandle")]
pub struct HookHandle {
    tensor: Tensor,
    #[pyo3(get)]
    id: HookId,
}

#[pymethods]
impl HookHandle {
    fn remove(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.tensor.remove_hook(self.id))
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exc))]
    fn __exit__(&self, py: Python<'_>, _exc: &Bound<'_, PyAny>) -> PyResult<()> {
        self.remove(py)
    }
}

fn check_callable(py: Python<'_>, hook: &Py<PyAny>) -> PyResult<()> {
    if hook.bind(py).is_callable() {
        return Ok(());
    }
    Err(type_error(py, "a hook must be callable"))
}

fn register_hook(py: Python<'_>, tensor: &Tensor, hook: Py<PyAny>) -> PyResult<HookHandle> {
    check_callable(py, &hook)?;
    let called: Hook = Arc::new(move |grad| {
        Python::attach(|py| {
            let answer = PyTensor::wrap(py, grad.clone()).and_then(|grad| hook.bind(py).call1((grad,)));
            answer.and_then(|answer| tensor_or_none(&answer, "hook")).map_err(park)
        })
    });
    let id = call(py, || tensor.register_hook(called))?;
    Ok(HookHandle { tensor: tensor.clone(), id })
}

fn register_post_hook(slf: &Bound<'_, PyTensor>, hook: Py<PyAny>) -> PyResult<HookHandle> {
    let py = slf.py();
    check_callable(py, &hook)?;
    let tensor = slf.get().tensor.clone();
    // Weak: the hook must not keep its own tensor.
    let target = pyo3::types::PyWeakrefReference::new(slf)?.unbind();
    let called: PostHook = Arc::new(move || {
        Python::attach(|py| {
            let target = target.bind(py).call0().map_err(park)?;
            if !target.is_none() {
                hook.bind(py).call1((target,)).map_err(park)?;
            }
            Ok(())
        })
    });
    let id = call(py, || tensor.register_post_accumulate_grad_hook(called))?;
    Ok(HookHandle { tensor, id })
}

fn tensor_or_none(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Option<Tensor>> {
    match object.cast::<PyTensor>() {
        Ok(tensor) => Ok(Some(tensor.get().tensor.clone())),
        Err(_) if object.is_none() => Ok(None),
        Err(_) => {
            let got = object.get_type().name()?;
            Err(type_error(object.py(), format!("expected Variable or None from the {what}, but got {got}")))
        }
    }
}

fn backward(
    slf: &Bound<'_, PyTensor>,
    gradient: Option<&Bound<'_, PyAny>>,
    retain_graph: Option<bool>,
    create_graph: bool,
    inputs: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let py = slf.py();
    let named = PyDict::new(py);
    if let Some(inputs) = inputs {
        named.set_item("inputs", inputs)?;
    }
    glue::run_backward(py)?.call((slf, gradient, retain_graph, create_graph), Some(&named))?;
    Ok(())
}

/// The gradients of `tensors`, added to `.grad` or returned for `inputs`.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the arguments are torch's")]
pub fn _run_backward<'py>(
    py: Python<'py>,
    tensors: Vec<Bound<'py, PyTensor>>,
    grads: Vec<Option<Bound<'py, PyTensor>>>,
    retain_graph: bool,
    create_graph: bool,
    inputs: Option<Vec<Bound<'py, PyTensor>>>,
    accumulate: bool,
    allow_unused: bool,
) -> PyResult<Vec<Option<Bound<'py, PyTensor>>>> {
    let own = |list: &[Bound<'py, PyTensor>]| -> Vec<Tensor> {
        list.iter().map(|object| object.get().tensor.clone()).collect()
    };
    let outputs = own(&tensors);
    let starts: Vec<Option<Tensor>> =
        grads.iter().map(|grad| grad.as_ref().map(|object| object.get().tensor.clone())).collect();
    let wanted = inputs.as_deref().map(own);
    let options = engine::Options { retain_graph, create_graph, accumulate, allow_unused };
    let found = blocking(py, move || engine::backward(&outputs, &starts, wanted.as_deref(), options))?;
    found.into_iter().map(|grad| grad.map(|grad| PyTensor::wrap(py, grad)).transpose()).collect()
}

/// Aliases of `outputs` that are results of one function called `name`, whose gradient `callback` computes.
#[pyfunction]
pub fn _attach_backward<'py>(
    py: Python<'py>,
    outputs: Vec<Bound<'py, PyTensor>>,
    inputs: Vec<Bound<'py, PyTensor>>,
    callback: Py<PyAny>,
    name: &str,
) -> PyResult<Vec<Bound<'py, PyTensor>>> {
    let aliases: Vec<Tensor> = outputs.iter().map(|output| output.get().tensor.detach()).collect();
    let inputs: Vec<Tensor> = inputs.iter().map(|input| input.get().tensor.clone()).collect();
    let count = inputs.len();
    let called = Arc::new(move |grads: &[Option<Tensor>]| {
        Python::attach(|py| answered(py, &callback, grads, count).map_err(park))
    });
    call(py, || Tensor::attach_backward(&aliases, &inputs, called, name))?;
    aliases.into_iter().map(|alias| PyTensor::wrap(py, alias)).collect()
}

fn answered(
    py: Python<'_>,
    callback: &Py<PyAny>,
    grads: &[Option<Tensor>],
    expected: usize,
) -> PyResult<Vec<Option<Tensor>>> {
    let objects: Vec<Option<Bound<'_, PyTensor>>> = grads
        .iter()
        .map(|grad| grad.clone().map(|grad| PyTensor::wrap(py, grad)).transpose())
        .collect::<PyResult<_>>()?;
    let answer = callback.bind(py).call1(PyTuple::new(py, objects)?)?;
    let answers = match answer.cast::<PyList>() {
        Ok(list) => {
            list.iter().map(|item| tensor_or_none(&item, "backward")).collect::<PyResult<Vec<_>>>()?
        }
        Err(_) => {
            answer.try_iter()?.map(|item| tensor_or_none(&item?, "backward")).collect::<PyResult<Vec<_>>>()?
        }
    };
    if answers.len() != expected {
        let message =
            format!("returned an incorrect number of gradients (expected {expected}, got {})", answers.len());
        return Err(raise(py, Error::Autograd(message)));
    }
    Ok(answers)
}
