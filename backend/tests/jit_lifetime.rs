//! Compiled code is freed with its kernel. Alone in its file: other tests of a process would map memory meanwhile.
#![cfg(target_os = "linux")]

mod jit_support;

use jit_support::Maker;
use rustorch_backend::cranelift::compile;
use rustorch_ir::dtype::DType;
use rustorch_ir::loops::*;

/// Pages mapped by this process.
fn mapped_pages() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn dropped_kernels_give_their_memory_back() {
    let mut m = Maker::new(4);
    let out = m.param(DType::I32, Role::Out);
    m.over_range(1, |m, i| {
        let one = m.constant(Elem::I32, 1);
        m.store(out, Addr::Unit(i), one);
    });
    let kernel = m.finish();
    let compile_many = |n| (0..n).for_each(|_| drop(compile(&kernel).unwrap()));
    compile_many(100);
    let before = mapped_pages();
    compile_many(10_000);
    let grown = mapped_pages().saturating_sub(before);
    // A kernel that stays has a page at least.
    assert!(grown < 100, "{grown} pages more");
}
