//! Warnings of operations, kept for whoever called them to show.

use std::cell::RefCell;

thread_local! {
    static WAITING: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Leaves a warning for this thread's caller.
pub(crate) fn warn(message: String) {
    WAITING.with_borrow_mut(|waiting| waiting.push(message));
}

/// The warnings that this thread has left since they were last taken, oldest first.
#[inline]
pub fn take() -> Vec<String> {
    WAITING.take()
}
