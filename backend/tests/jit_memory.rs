//! Addresses, the order of memory accesses, and sharing of memory.

mod jit_support;

use jit_support::{Maker, Random, agree, jits, run_jit};
use rustorch_ir::dtype::DType;
use rustorch_ir::loops::interp::Outcome;
use rustorch_ir::loops::*;

const LANES: [u16; 5] = [2, 4, 8, 16, 32];

fn affine(m: &mut Maker, terms: &[(Val, i64)], offset: i64) -> Val {
    let mut terms: smallvec::SmallVec<[(Val, i64); 4]> = terms.iter().copied().collect();
    terms.sort_by_key(|t| t.0);
    m.push(Inst::Affine { terms, offset }, Ty::I64)
}

#[test]
fn strided_loads_and_stores_in_every_type() {
    for mem in DType::ALL {
        for lanes in LANES {
            for stride in [2, 3, -1, 0] {
                let n = 128usize;
                let mut m = Maker::new(n);
                let (a, out) = (m.param(mem, Role::In), m.param(mem, Role::Out));
                m.over_range(i64::from(lanes), |m, i| {
                    let from = affine(m, &[(i, stride)].map(|t| if t.1 == 0 { (t.0, 1) } else { t }), 400);
                    let x = m.load(a, Addr::Strided(from, stride), lanes);
                    let to = affine(m, &[(i, 3)], 5);
                    m.store(out, Addr::Strided(to, 3), x);
                });
                let kernel = m.finish();
                let data = [Random(1).buffer(mem, 800), vec![1; 800 * mem.size()]];
                agree(&kernel, &data, &[], (0, n as i64));
            }
        }
    }
}

#[test]
fn gathers_and_scatters_in_every_type() {
    for mem in DType::ALL {
        for lanes in LANES {
            let n = 128usize;
            let mut m = Maker::new(n);
            let (a, index, out) =
                (m.param(mem, Role::In), m.param(DType::I64, Role::In), m.param(mem, Role::InOut));
            m.over_range(i64::from(lanes), |m, i| {
                let from = m.load(index, Addr::Unit(i), lanes);
                let x = m.load(a, Addr::Lanes(from), lanes);
                m.store(out, Addr::Lanes(from), x);
                // Behind a scatter a gather sees all of it, whatever lanes it went to.
                let y = m.load(out, Addr::Lanes(from), lanes);
                m.store(out, Addr::Unit(i), y);
            });
            let kernel = m.finish();
            let mut random = Random(5);
            let places: Vec<u8> = (0..n).flat_map(|_| random.below(300).to_le_bytes()).collect();
            let data = [random.buffer(mem, 300), places, random.buffer(mem, 300)];
            agree(&kernel, &data, &[], (0, n as i64));
        }
    }
}

#[test]
fn a_load_behind_an_overlapping_store_sees_it() {
    for lanes in LANES {
        for shift in [-3, -1, 1, 2, 5] {
            let n = 128usize;
            let mut m = Maker::new(n);
            let (a, out) = (m.param(DType::F32, Role::InOut), m.param(DType::F32, Role::Out));
            m.over_range(i64::from(lanes), |m, i| {
                let here = affine(m, &[(i, 1)], 8);
                let x = m.load(a, Addr::Unit(here), lanes);
                let doubled = m.push(Inst::Bin(BinOp::Add, x, x), Ty { elem: Elem::F32, lanes });
                m.store(a, Addr::Unit(here), doubled);
                let there = affine(m, &[(i, 1)], 8 + shift);
                let y = m.load(a, Addr::Unit(there), lanes);
                m.store(out, Addr::Unit(i), y);
                m.store(a, Addr::Unit(there), x);
            });
            let kernel = m.finish();
            let data = [Random(2).buffer(DType::F32, n + 16), vec![0; n * 4]];
            agree(&kernel, &data, &[], (0, n as i64));
        }
    }
}

#[test]
fn a_scalar_load_behind_a_wide_store_sees_it() {
    let mut m = Maker::new(64);
    let (a, out) = (m.param(DType::I32, Role::InOut), m.param(DType::I32, Role::Out));
    m.over_range(16, |m, i| {
        let x = m.load(a, Addr::Unit(i), 16);
        let negative = m.push(Inst::Un(UnOp::Neg, x), Ty { elem: Elem::I32, lanes: 16 });
        m.store(a, Addr::Unit(i), negative);
        let last = affine(m, &[(i, 1)], 15);
        let y = m.load(a, Addr::Unit(last), 1);
        m.store(out, Addr::Unit(i), y);
        let y = m.splat(y, 16);
        m.store(out, Addr::Unit(i), y);
    });
    let kernel = m.finish();
    agree(&kernel, &[Random(2).buffer(DType::I32, 64), vec![0; 256]], &[], (0, 64));
}

#[test]
fn an_output_may_take_the_place_of_an_input() {
    for lanes in [1, 4, 16] {
        let mut m = Maker::new(64);
        let (a, b, out) =
            (m.param(DType::F32, Role::In), m.param(DType::F32, Role::In), m.param(DType::F32, Role::Out));
        m.over_range(i64::from(lanes), |m, i| {
            let ty = Ty { elem: Elem::F32, lanes };
            let (x, y) = (m.load(a, Addr::Unit(i), lanes), m.load(b, Addr::Unit(i), lanes));
            let sum = m.push(Inst::Bin(BinOp::Sub, x, y), ty);
            m.store(out, Addr::Unit(i), sum);
        });
        let kernel = m.finish();
        let mut random = Random(9);
        let data = [random.buffer(DType::F32, 64), random.buffer(DType::F32, 64), vec![0; 256]];
        let (_, expected) = agree(&kernel, &data, &[], (0, 64));
        for jit in jits() {
            let compiled = jit.compile(&kernel).unwrap();
            let mut shared = data[0].clone();
            let mut other = data[1].clone();
            let place = shared.as_mut_ptr();
            let bufs = [place, other.as_mut_ptr(), place];
            let mut scratch = [0u64; 8];
            // SAFETY: all buffers have 64 elements, and elements are read before they are overwritten.
            let status = unsafe {
                compiled.entry()(bufs.as_ptr(), std::ptr::null(), 0, 64, scratch.as_mut_ptr().cast())
            };
            assert_eq!(status, 0);
            assert_eq!(
                jit_support::canonical(DType::F32, &shared),
                jit_support::canonical(DType::F32, &expected[2])
            );
        }
    }
}

#[test]
fn indices_of_several_loops_with_large_offsets() {
    let (rows, columns) = (6i64, 32i64);
    let mut m = Maker::new(rows as usize);
    let (a, out) = (m.param(DType::F32, Role::In), m.param(DType::F32, Role::Out));
    let far = m.scalar(Elem::I64);
    m.over_range(1, |m, row| {
        let (zero, end) = (m.int(0), m.int(columns));
        m.for_loop((zero, end), 8, &[], |m, column, _| {
            // The offset does not fit a displacement; the scalar brings it back.
            let from = affine(m, &[(column, 1), (row, columns), (far, 1)], 1 << 40);
            let x = m.load(a, Addr::Unit(from), 8);
            let to = affine(m, &[(row, 8 * columns), (column, 1)], 3);
            m.store(out, Addr::Unit(to), x);
            vec![]
        });
    });
    let kernel = m.finish();
    let data = [
        Random(3).buffer(DType::F32, (rows * columns) as usize),
        vec![0; (rows * columns * 8 * 4 + 16) as usize],
    ];
    agree(&kernel, &data, &[(-(1i64 << 40)) as u64], (1, rows));
}

#[test]
fn an_index_is_a_number_too() {
    let mut m = Maker::new(64);
    let (a, out) = (m.param(DType::I64, Role::In), m.param(DType::I64, Role::Out));
    m.over_range(4, |m, i| {
        let at = affine(m, &[(i, 1)], 2);
        let twice = affine(m, &[(at, 2), (i, -1)], -4);
        let x = m.load(a, Addr::Unit(at), 4);
        let number = m.splat(twice, 4);
        let sum = m.push(Inst::Bin(BinOp::Add, x, number), Ty { elem: Elem::I64, lanes: 4 });
        m.store(out, Addr::Unit(twice), sum);
    });
    let kernel = m.finish();
    agree(&kernel, &[Random(4).buffer(DType::I64, 80), vec![0; 640]], &[], (0, 64));
}

#[test]
fn scratch_memory_lies_where_the_layout_says() {
    let mut m = Maker::new(32);
    let a = m.param(DType::F64, Role::In);
    let first = m.param(DType::U8, Role::Scratch(3));
    let second = m.param(DType::F64, Role::Scratch(32));
    let out = m.param(DType::F64, Role::Out);
    m.over_range(8, |m, i| {
        let x = m.load(a, Addr::Unit(i), 8);
        let zero = m.int(0);
        let seven = m.constant(Elem::I32, 7);
        m.store(first, Addr::Unit(zero), seven);
        m.store(second, Addr::Unit(i), x);
        let y = m.load(second, Addr::Unit(i), 8);
        m.store(out, Addr::Unit(i), y);
    });
    let kernel = m.finish();
    let data = [Random(6).buffer(DType::F64, 32), vec![], vec![], vec![0; 256]];
    let mut bufs = data.to_vec();
    let outcome = run_jit(&jits()[0].compile(&kernel).unwrap(), &kernel, &mut bufs, &[], (0, 32));
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(bufs[0], bufs[3]);
}
