//! Warnings of operations, kept for whoever called them to show.

use std::cell::{Cell, RefCell};

thread_local! {
    /// Asked at each call, so apart from what needs to be dropped.
    static ANY: Cell<bool> = const { Cell::new(false) };
    static WAITING: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Leaves a warning for this thread's caller.
pub(crate) fn warn(message: String) {
    WAITING.with_borrow_mut(|waiting| waiting.push(message));
    ANY.set(true);
}

/// The warnings that this thread has left since they were last taken, oldest first.
#[inline]
pub fn take() -> Vec<String> {
    if ANY.replace(false) { WAITING.take() } else { Vec::new() }
}
