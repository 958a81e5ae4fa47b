//! Every instruction in every number of lanes, against the interpreter, bit by bit.

mod jit_support;

use jit_support::{Maker, Random, agree};
use rustorch_ir::dtype::DType;
use rustorch_ir::loops::*;

const LANES: [u16; 6] = [1, 2, 4, 8, 16, 32];
const N: usize = 192;
const NUMBERS: [DType; 4] = [DType::I32, DType::I64, DType::F32, DType::F64];

/// `out[i] = body(inputs[i])` over neighbours, in all lane counts. `fix` makes inputs admissible.
fn check(
    inputs: &[DType],
    out: DType,
    fix: impl Fn(usize, u64) -> u64,
    body: impl Fn(&mut Maker, &[Val], u16) -> Val,
) {
    let mut random = Random(7);
    for lanes in LANES {
        let mut m = Maker::new(N);
        let bufs: Vec<Buf> = inputs.iter().map(|&mem| m.param(mem, Role::In)).collect();
        let result = m.param(out, Role::Out);
        m.over_range(i64::from(lanes), |m, i| {
            let x: Vec<Val> = bufs.iter().map(|&b| m.load(b, Addr::Unit(i), lanes)).collect();
            let y = body(m, &x, lanes);
            m.store(result, Addr::Unit(i), y);
        });
        let kernel = m.finish();
        let mut data: Vec<Vec<u8>> = inputs
            .iter()
            .enumerate()
            .map(|(k, &mem)| {
                (0..N)
                    .flat_map(|_| fix(k, random.element(mem)).to_le_bytes()[..mem.size()].to_vec())
                    .collect()
            })
            .collect();
        data.push(vec![0xcc; N * out.size()]);
        agree(&kernel, &data, &[], (0, N as i64));
    }
}

fn as_is(_: usize, bits: u64) -> u64 {
    bits
}

fn elem(mem: DType, lanes: u16) -> Ty {
    Ty { elem: register_of(mem), lanes }
}

#[test]
fn arithmetic_of_two() {
    use BinOp::*;
    for mem in NUMBERS {
        let ops: &[BinOp] =
            if mem.is_float() { &[Add, Sub, Mul, Div] } else { &[Add, Sub, Mul, Min, Max, And, Or, Xor] };
        for &op in ops {
            check(&[mem, mem], mem, as_is, |m, x, lanes| m.push(Inst::Bin(op, x[0], x[1]), elem(mem, lanes)));
        }
    }
    for op in [And, Or, Xor] {
        check(&[DType::Bool; 2], DType::Bool, as_is, |m, x, lanes| {
            m.push(Inst::Bin(op, x[0], x[1]), elem(DType::Bool, lanes))
        });
    }
}

#[test]
fn quotients_and_remainders() {
    for mem in [DType::I32, DType::I64] {
        for op in [BinOp::Div, BinOp::Rem] {
            let fix = |k, bits: u64| match (k, mem) {
                (1, DType::I32) if matches!(bits as i32, 0 | -1) => 3,
                (1, _) if matches!(bits as i64, 0 | -1) => 3,
                _ => bits,
            };
            check(&[mem, mem], mem, fix, |m, x, lanes| m.push(Inst::Bin(op, x[0], x[1]), elem(mem, lanes)));
        }
    }
}

#[test]
fn shifts() {
    for mem in [DType::I32, DType::I64] {
        let width = mem.size() as u64 * 8;
        for op in [BinOp::Shl, BinOp::ShrU, BinOp::ShrS] {
            let fix = |k, bits: u64| if k == 1 { bits % width } else { bits };
            check(&[mem, mem], mem, fix, |m, x, lanes| m.push(Inst::Bin(op, x[0], x[1]), elem(mem, lanes)));
            for amount in [0, 1, 13, width - 1] {
                check(&[mem], mem, as_is, |m, x, lanes| {
                    let by = m.constant(register_of(mem), amount);
                    let by = m.splat(by, lanes);
                    m.push(Inst::Bin(op, x[0], by), elem(mem, lanes))
                });
            }
        }
    }
}

#[test]
fn operations_of_one() {
    use UnOp::*;
    for mem in NUMBERS {
        let ops: &[UnOp] =
            if mem.is_float() { &[Neg, Abs, Sqrt, Floor, Ceil, Trunc, Nearest] } else { &[Neg, Abs, Not] };
        for &op in ops {
            check(&[mem], mem, as_is, |m, x, lanes| m.push(Inst::Un(op, x[0]), elem(mem, lanes)));
        }
    }
    check(&[DType::Bool], DType::Bool, as_is, |m, x, lanes| {
        m.push(Inst::Un(Not, x[0]), elem(DType::Bool, lanes))
    });
}

#[test]
fn comparisons_and_selection() {
    use CmpOp::*;
    for mem in NUMBERS {
        for op in [Lt, Le, Eq, Ne] {
            check(&[mem, mem], DType::Bool, as_is, |m, x, lanes| {
                m.push(Inst::Cmp(op, x[0], x[1]), elem(DType::Bool, lanes))
            });
            // Both orders: two of them are minimum and maximum instructions.
            for order in [[0, 1], [1, 0]] {
                check(&[mem, mem], mem, as_is, |m, x, lanes| {
                    let mask = m.push(Inst::Cmp(op, x[0], x[1]), elem(DType::Bool, lanes));
                    m.push(Inst::Select(mask, x[order[0]], x[order[1]]), elem(mem, lanes))
                });
            }
        }
        check(&[DType::Bool, mem, mem], mem, as_is, |m, x, lanes| {
            m.push(Inst::Select(x[0], x[1], x[2]), elem(mem, lanes))
        });
    }
    check(&[DType::Bool; 3], DType::Bool, as_is, |m, x, lanes| {
        m.push(Inst::Select(x[0], x[1], x[2]), elem(DType::Bool, lanes))
    });
}

#[test]
fn masks_of_one_width_serve_another() {
    for (compared, selected) in [
        (DType::F32, DType::F64),
        (DType::F64, DType::F32),
        (DType::I64, DType::I32),
        (DType::I32, DType::I64),
        (DType::I64, DType::F32),
        (DType::I32, DType::F32),
    ] {
        check(&[compared, compared, selected, selected], selected, as_is, |m, x, lanes| {
            let mask = elem(DType::Bool, lanes);
            let less = m.push(Inst::Cmp(CmpOp::Lt, x[0], x[1]), mask);
            let equal = m.push(Inst::Cmp(CmpOp::Eq, x[2], x[3]), mask);
            let both = m.push(Inst::Bin(BinOp::Or, less, equal), mask);
            m.push(Inst::Select(both, x[2], x[3]), elem(selected, lanes))
        });
    }
}

#[test]
fn minimum_and_maximum_that_carry_nan() {
    for mem in [DType::F32, DType::F64] {
        for max in [false, true] {
            check(&[mem, mem], mem, as_is, |m, x, lanes| {
                let (acc, new) = (x[0], x[1]);
                let mask = elem(DType::Bool, lanes);
                let (a, b) = if max { (acc, new) } else { (new, acc) };
                let less = m.push(Inst::Cmp(CmpOp::Lt, a, b), mask);
                let nan = m.push(Inst::Cmp(CmpOp::Ne, new, new), mask);
                let take = m.push(Inst::Bin(BinOp::Or, less, nan), mask);
                m.push(Inst::Select(take, new, acc), elem(mem, lanes))
            });
        }
    }
}

#[test]
fn fused_multiply_add() {
    for mem in [DType::F32, DType::F64] {
        check(&[mem; 3], mem, as_is, |m, x, lanes| m.push(Inst::Fma(x[0], x[1], x[2]), elem(mem, lanes)));
    }
}

#[test]
fn conversions() {
    use CastOp::*;
    use DType::*;
    let exact = |_: usize, bits: u64| bits;
    let fits32 = |_: usize, bits: u64| u64::from((bits as i32 as f32 / 3.0).to_bits());
    let fits64 = |_: usize, bits: u64| (bits as i64 as f64 / 3.0).to_bits();
    let wide32 = |_: usize, bits: u64| u64::from((bits as i64 as f32 / 3.0).to_bits());
    let short64 = |_: usize, bits: u64| (f64::from(bits as i32) / 3.0).to_bits();
    type Fix<'a> = &'a dyn Fn(usize, u64) -> u64;
    let all: &[(CastOp, DType, DType, Fix<'_>)] = &[
        (SignExtend, I32, I64, &exact),
        (ZeroExtend, I32, I64, &exact),
        (Wrap, I64, I32, &exact),
        (IntToFloat, I32, F32, &exact),
        (IntToFloat, I32, F64, &exact),
        (IntToFloat, I64, F32, &exact),
        (IntToFloat, I64, F64, &exact),
        (FloatToInt, F32, I32, &fits32),
        (FloatToInt, F32, I64, &wide32),
        (FloatToInt, F64, I32, &short64),
        (FloatToInt, F64, I64, &fits64),
        (Widen, F32, F64, &exact),
        (Narrow, F64, F32, &exact),
        (MaskToInt, Bool, I32, &exact),
        (MaskToInt, Bool, I64, &exact),
        (Bits, I32, F32, &exact),
        (Bits, F32, I32, &exact),
        (Bits, I64, F64, &exact),
        (Bits, F64, I64, &exact),
    ];
    for &(op, from, to, fix) in all {
        check(&[from], to, fix, |m, x, lanes| m.push(Inst::Cast(op, x[0]), elem(to, lanes)));
    }
    // The masks of 64-bit comparisons have their own form.
    for to in [I32, I64] {
        check(&[F64, F64], to, exact, |m, x, lanes| {
            let mask = m.push(Inst::Cmp(CmpOp::Lt, x[0], x[1]), elem(Bool, lanes));
            m.push(Inst::Cast(MaskToInt, mask), elem(to, lanes))
        });
    }
}

#[test]
fn loads_widen_and_stores_cut() {
    for mem in DType::ALL {
        check(&[mem], mem, as_is, |_, x, _| x[0]);
        let narrow = matches!(register_of(mem), Elem::I32);
        if narrow {
            check(&[mem], DType::I32, as_is, |_, x, _| x[0]);
            check(&[DType::I32], mem, as_is, |_, x, _| x[0]);
        }
    }
}

#[test]
fn splats_ramps_and_constants() {
    for mem in NUMBERS {
        check(&[mem], mem, as_is, |m, x, lanes| {
            let bits = Random(3).element(mem);
            let bits = if mem.size() == 4 { bits & 0xffff_ffff } else { bits };
            let c = m.constant(register_of(mem), bits);
            let c = m.splat(c, lanes);
            m.push(Inst::Bin(BinOp::Add, x[0], c), elem(mem, lanes))
        });
    }
    for truth in [0, 1] {
        check(&[DType::Bool], DType::Bool, as_is, |m, x, lanes| {
            let c = m.constant(Elem::Mask, truth);
            let c = m.splat(c, lanes);
            m.push(Inst::Bin(BinOp::Xor, x[0], c), elem(DType::Bool, lanes))
        });
    }
    check(&[DType::I64], DType::I64, as_is, |m, x, lanes| {
        if lanes == 1 {
            return x[0];
        }
        let base = m.int(-5);
        let ramp = m.push(Inst::Ramp(base, 3), elem(DType::I64, lanes));
        m.push(Inst::Bin(BinOp::Add, x[0], ramp), elem(DType::I64, lanes))
    });
}

#[test]
fn lanes_are_reduced_by_halves() {
    use Combine::*;
    for mem in NUMBERS.into_iter().chain([DType::Bool]) {
        let combines: &[Combine] = match register_of(mem) {
            Elem::Mask => &[And, Or],
            Elem::I32 | Elem::I64 => &[Add, Mul, Min, Max, And, Or],
            Elem::F32 | Elem::F64 => &[Add, Mul, Min, Max],
        };
        for &combine in combines {
            check(&[mem], mem, as_is, |m, x, lanes| {
                if lanes == 1 {
                    return x[0];
                }
                let all = m.push(Inst::ReduceLanes(combine, x[0]), elem(mem, 1));
                m.splat(all, lanes)
            });
        }
    }
}

#[test]
fn tables() {
    for (mem, index) in [
        (DType::I32, DType::I32),
        (DType::I64, DType::I64),
        (DType::I32, DType::I64),
        (DType::I64, DType::U8),
    ] {
        check(
            &[index],
            mem,
            |_, bits| bits % 4,
            |m, x, lanes| m.push(Inst::Table("two_over_pi_f64", x[0]), elem(mem, lanes)),
        );
    }
}
