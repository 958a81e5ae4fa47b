//! Whether this thread records gradients, and whether it is in inference mode.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    static GRAD: Cell<bool> = const { Cell::new(true) };
    static INFERENCE: Cell<bool> = const { Cell::new(false) };
}

pub fn is_grad_enabled() -> bool {
    GRAD.get()
}

pub fn set_grad_enabled(enabled: bool) {
    GRAD.set(enabled);
}

pub fn is_inference_mode() -> bool {
    INFERENCE.get()
}

/// Both modes as they were, to be put back by [`restore`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Modes {
    grad: bool,
    inference: bool,
}

pub fn modes() -> Modes {
    Modes { grad: GRAD.get(), inference: INFERENCE.get() }
}

pub fn restore(modes: Modes) {
    GRAD.set(modes.grad);
    INFERENCE.set(modes.inference);
}

/// Enters (or, with `false`, leaves) inference mode, which turns gradients off (or on) with it.
pub fn set_inference_mode(enabled: bool) {
    INFERENCE.set(enabled);
    GRAD.set(!enabled);
}

/// Puts this thread's modes back when dropped.
#[must_use = "the mode ends when the guard is dropped"]
pub struct ModeGuard {
    before: Modes,
    /// Modes belong to a thread.
    _thread: PhantomData<*const ()>,
}

impl ModeGuard {
    pub fn grad(enabled: bool) -> ModeGuard {
        let before = modes();
        set_grad_enabled(enabled);
        ModeGuard { before, _thread: PhantomData }
    }

    pub fn inference(enabled: bool) -> ModeGuard {
        let before = modes();
        set_inference_mode(enabled);
        ModeGuard { before, _thread: PhantomData }
    }
}

impl Drop for ModeGuard {
    fn drop(&mut self) {
        restore(self.before);
    }
}

pub fn no_grad<T>(f: impl FnOnce() -> T) -> T {
    let _guard = ModeGuard::grad(false);
    f()
}
