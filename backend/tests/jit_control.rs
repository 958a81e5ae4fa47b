//! Loops, checks, scalars, strips, errors, threads.

mod jit_support;

use jit_support::{Maker, Random, agree, canonical, run_jit};
use rustorch_backend::BackendError;
use rustorch_backend::cranelift::{Jit, Symbols, compile, compile_with_listing};
use rustorch_ir::dtype::DType;
use rustorch_ir::loops::interp::Outcome;
use rustorch_ir::loops::*;

/// `out[row] = sum of a[row, :]`, in lanes and a scalar tail.
fn row_sums(lanes: u16, columns: i64) -> Kernel {
    let mut m = Maker::new(16);
    let (a, out) = (m.param(DType::F32, Role::In), m.param(DType::F32, Role::Out));
    m.over_range(1, |m, row| {
        let wide = Ty { elem: Elem::F32, lanes };
        let zero = m.constant(Elem::F32, 0);
        let inits = m.splat(zero, lanes);
        let (begin, end) = (m.int(0), m.int(columns));
        let main = m.int(columns / i64::from(lanes) * i64::from(lanes));
        let at = |m: &mut Maker, column: Val| {
            let mut terms: smallvec::SmallVec<[(Val, i64); 4]> =
                smallvec::smallvec![(row, columns), (column, 1)];
            terms.sort_by_key(|t| t.0);
            m.push(Inst::Affine { terms, offset: 0 }, Ty::I64)
        };
        let sums = m.for_loop((begin, main), i64::from(lanes), &[inits], |m, column, phi| {
            let from = at(m, column);
            let x = m.load(a, Addr::Unit(from), lanes);
            vec![m.push(Inst::Bin(BinOp::Add, phi[0], x), wide)]
        });
        let total = if lanes == 1 {
            sums[0]
        } else {
            m.push(Inst::ReduceLanes(Combine::Add, sums[0]), Ty::scalar(Elem::F32))
        };
        let total = m.for_loop((main, end), 1, &[total], |m, column, phi| {
            let from = at(m, column);
            let x = m.load(a, Addr::Unit(from), 1);
            vec![m.push(Inst::Bin(BinOp::Add, phi[0], x), Ty::scalar(Elem::F32))]
        });
        m.store(out, Addr::Unit(row), total[0]);
    });
    m.finish()
}

#[test]
fn sums_of_rows() {
    for lanes in [1, 2, 4, 8, 16, 32] {
        for columns in [1, 7, 32, 77] {
            let kernel = row_sums(lanes, columns);
            let data = [Random(1).buffer(DType::F32, 16 * columns as usize), vec![0; 64]];
            agree(&kernel, &data, &[], (0, 16));
            agree(&kernel, &data, &[], (3, 7));
            agree(&kernel, &data, &[], (5, 5));
        }
    }
}

#[test]
fn loops_that_run_never_once_and_in_steps() {
    for (begin, end, step) in [(0i64, 0i64, 1), (5, 3, 1), (2, 3, 7), (-9, 9, 4), (0, 10, 5)] {
        for constant in [false, true] {
            let mut m = Maker::new(1);
            let out = m.param(DType::I64, Role::Out);
            let (begin_at, end_at) = (m.scalar(Elem::I64), m.scalar(Elem::I64));
            let range = if constant { (m.int(begin), m.int(end)) } else { (begin_at, end_at) };
            let (one, seven) = (m.int(1), m.int(7));
            let r = m.for_loop(range, step, &[one, seven], |m, i, phi| {
                let sum = m.push(Inst::Bin(BinOp::Add, phi[0], i), Ty::I64);
                vec![phi[1], sum]
            });
            for (k, r) in r.into_iter().enumerate() {
                let at = m.int(k as i64);
                m.store(out, Addr::Unit(at), r);
            }
            agree(&m.finish(), &[vec![0; 16]], &[begin as u64, end as u64], (0, 1));
        }
    }
}

#[test]
fn wide_masks_and_doubles_are_carried() {
    for lanes in [2, 4, 16] {
        let mut m = Maker::new(1);
        let (a, out, flags) =
            (m.param(DType::F64, Role::In), m.param(DType::F64, Role::Out), m.param(DType::Bool, Role::Out));
        let zero = m.constant(Elem::F64, 0);
        let no = m.constant(Elem::Mask, 0);
        let inits = [m.splat(zero, lanes), m.splat(no, lanes)];
        let (begin, end) = (m.int(0), m.int(64));
        let limit = m.constant(Elem::F64, 3000f64.to_bits());
        let limit = m.splat(limit, lanes);
        let r = m.for_loop((begin, end), i64::from(lanes), &inits, |m, i, phi| {
            let mask = Ty { elem: Elem::Mask, lanes };
            let x = m.load(a, Addr::Unit(i), lanes);
            let sum = m.push(Inst::Bin(BinOp::Add, phi[0], x), Ty { elem: Elem::F64, lanes });
            let large = m.push(Inst::Cmp(CmpOp::Lt, limit, x), mask);
            let any = m.push(Inst::Bin(BinOp::Or, phi[1], large), mask);
            vec![sum, any]
        });
        m.store(out, Addr::Unit(begin), r[0]);
        m.store(flags, Addr::Unit(begin), r[1]);
        let any = m.push(Inst::ReduceLanes(Combine::Or, r[1]), Ty::MASK);
        let behind = m.int(32);
        m.store(flags, Addr::Unit(behind), any);
        let data = [Random(8).buffer(DType::F64, 64), vec![0; 256], vec![0; 33]];
        agree(&m.finish(), &data, &[], (0, 1));
    }
}

/// Doubles `a` into `out` while every element is not negative; the failed index is the detail.
fn checked() -> Kernel {
    let mut m = Maker::new(64);
    let (a, out) = (m.param(DType::I32, Role::In), m.param(DType::I32, Role::Out));
    let zero = m.constant(Elem::I32, 0);
    m.over_range(1, |m, i| {
        let x = m.load(a, Addr::Unit(i), 1);
        let ok = m.push(Inst::Cmp(CmpOp::Le, zero, x), Ty::MASK);
        m.stmt(Stmt::Check { ok, code: 42, detail: i });
        let y = m.push(Inst::Bin(BinOp::Add, x, x), Ty::scalar(Elem::I32));
        let small = m.constant(Elem::I32, 1000);
        let ok = m.push(Inst::Cmp(CmpOp::Lt, y, small), Ty::MASK);
        let detail = m.push(Inst::Cast(CastOp::SignExtend, y), Ty::I64);
        m.stmt(Stmt::Check { ok, code: -7, detail });
        m.store(out, Addr::Unit(i), y);
    });
    m.finish()
}

#[test]
fn the_first_failed_check_ends_the_kernel() {
    let kernel = checked();
    let elements = |f: fn(i32) -> i32| (0..64).flat_map(|i| f(i).to_le_bytes()).collect::<Vec<u8>>();
    for (data, wanted) in [
        (elements(|i| i), Outcome::Done),
        (elements(|i| 17 - i), Outcome::Failed { code: 42, detail: 18 }),
        (elements(|i| i * 10), Outcome::Failed { code: -7, detail: 1000 }),
    ] {
        let (outcome, _) = agree(&kernel, &[data, vec![0; 256]], &[], (0, 64));
        assert_eq!(outcome, wanted);
    }
}

#[test]
fn scalars_of_every_type() {
    let mut m = Maker::new(1);
    let elems = [Elem::Mask, Elem::I32, Elem::I64, Elem::F32, Elem::F64];
    let mems = [DType::Bool, DType::I32, DType::I64, DType::F32, DType::F64];
    let outs: Vec<Buf> = mems.iter().map(|&mem| m.param(mem, Role::Out)).collect();
    let zero = m.int(0);
    for (elem, out) in elems.into_iter().zip(outs) {
        let v = m.scalar(elem);
        let v = m.splat(v, 4);
        m.store(out, Addr::Unit(zero), v);
    }
    let data = mems.map(|mem| vec![0; 4 * mem.size()]);
    let slots = [1, u64::MAX - 5, u64::MAX - 6, 1.5f32.to_bits().into(), (-2.5f64).to_bits()];
    agree(&m.finish(), &data, &slots, (0, 1));
}

struct Routines;

unsafe extern "C" fn add_strips(a: *const f32, b: *const f32, dst: *mut f32, n: i64) {
    for k in 0..n as usize {
        // SAFETY: the kernel passes scratch parameters of at least `n` elements.
        unsafe { *dst.add(k) = *a.add(k) + *b.add(k) };
    }
}

impl Symbols for Routines {
    fn strip(&self, routine: &str, elem: Elem) -> Option<*const u8> {
        (routine == "add" && elem == Elem::F32).then_some(add_strips as *const u8)
    }

    fn table(&self, _: &str) -> Option<&'static [u64]> {
        None
    }
}

fn strips(mem: DType) -> Kernel {
    let mut m = Maker::new(64);
    let a = m.param(mem, Role::In);
    let (x, y, sum) =
        (m.param(mem, Role::Scratch(32)), m.param(mem, Role::Scratch(32)), m.param(mem, Role::Scratch(32)));
    let out = m.param(mem, Role::Out);
    m.over_range(16, |m, i| {
        let ty = Ty { elem: register_of(mem), lanes: 16 };
        let zero = m.int(0);
        let v = m.load(a, Addr::Unit(i), 16);
        m.store(x, Addr::Unit(zero), v);
        let square = m.push(Inst::Bin(BinOp::Mul, v, v), ty);
        m.store(y, Addr::Unit(zero), square);
        let count = m.int(16);
        m.stmt(Stmt::Strip {
            routine: "add",
            src: smallvec::smallvec![x.into(), y.into()],
            dst: sum.into(),
            count,
        });
        let r = m.load(sum, Addr::Unit(zero), 16);
        m.store(out, Addr::Unit(i), r);
    });
    m.finish()
}

#[test]
fn strips_call_the_host() {
    let jit = Jit::new(true, Box::new(Routines)).unwrap();
    let kernel = strips(DType::F32);
    let compiled = jit.compile(&kernel).unwrap();
    let a: Vec<f32> = (0..64).map(|i| i as f32).collect();
    let bytes: Vec<u8> = a.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut bufs = vec![bytes, vec![], vec![], vec![], vec![0; 256]];
    assert_eq!(run_jit(&compiled, &kernel, &mut bufs, &[], (0, 64)), Outcome::Done);
    let wanted: Vec<u8> = a.iter().flat_map(|x| (x + x * x).to_le_bytes()).collect();
    assert_eq!(bufs[4], wanted);
    let refused = jit.compile(&strips(DType::F64)).unwrap_err();
    assert_eq!(refused, BackendError::UnknownRoutine("add"));
}

#[test]
fn an_error_leaves_the_thread_able_to_compile() {
    let jit = Jit::new(true, Box::new(Routines)).unwrap();
    for _ in 0..3 {
        assert!(jit.compile(&strips(DType::F64)).is_err());
        let data = [Random(1).buffer(DType::F32, 16 * 7), vec![0; 64]];
        agree(&row_sums(4, 7), &data, &[], (0, 16));
    }
}

#[test]
fn a_listing_shows_both_levels() {
    let (compiled, listing) = compile_with_listing(&checked()).unwrap();
    assert!(listing.clif.contains("brif"), "{}", listing.clif);
    assert!(listing.assembly.contains("ret"), "{}", listing.assembly);
    assert!(compiled.code_bytes() > 50);
}

#[test]
fn threads_compile_and_run_at_the_same_time() {
    let kernel = row_sums(8, 33);
    let data = [Random(1).buffer(DType::F32, 16 * 33), vec![0; 64]];
    let (_, wanted) = agree(&kernel, &data, &[], (0, 16));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let compiled = compile(&kernel).unwrap();
                    let mut bufs = data.to_vec();
                    assert_eq!(run_jit(&compiled, &kernel, &mut bufs, &[], (0, 16)), Outcome::Done);
                    assert_eq!(canonical(DType::F32, &bufs[1]), canonical(DType::F32, &wanted[1]));
                }
            });
        }
    });
}
