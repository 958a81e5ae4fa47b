//! Scalar element-wise kernels made wide, as the vectoriser does, without its tails.

use super::*;

/// A kernel that is one loop over its range, with `lanes` lanes. All that its loop computes becomes wide but the
/// indices of its loads and stores; whatever it reads from outside is splatted before it.
pub fn widen(kernel: &Kernel, lanes: u16) -> Kernel {
    let mut wide = kernel.clone();
    let Some(Stmt::For(f)) = wide.body.pop() else { panic!("the last statement is the loop") };
    let mut f = *f;
    let inner: Vec<Val> =
        f.body.iter().filter_map(|s| if let Stmt::Let(v) = s { Some(*v) } else { None }).collect();
    let index = |v: Val| kernel.ty(v) == Ty::I64 && matches!(kernel.inst(v), Inst::Affine { .. });
    let widened: Vec<Val> = inner.iter().copied().filter(|&v| !index(v)).collect();
    let mut splats: Vec<(Val, Val)> = vec![];
    for &v in &widened {
        let (mut inst, ty) = kernel.insts[v.0 as usize].clone();
        let mut of = |v: &mut Val| {
            if widened.contains(v) {
                return;
            }
            *v = match splats.iter().find(|(scalar, _)| scalar == v) {
                Some((_, splat)) => *splat,
                None => {
                    wide.insts.push((Inst::Splat(*v), kernel.ty(*v).with_lanes(lanes)));
                    let splat = Val(wide.insts.len() as u32 - 1);
                    wide.body.push(Stmt::Let(splat));
                    splats.push((*v, splat));
                    splat
                }
            };
        };
        match &mut inst {
            Inst::Bin(_, a, b) | Inst::Cmp(_, a, b) => [a, b].into_iter().for_each(&mut of),
            Inst::Un(_, a) | Inst::Cast(_, a) | Inst::Table(_, a) => of(a),
            Inst::Select(a, b, c) | Inst::Fma(a, b, c) => [a, b, c].into_iter().for_each(&mut of),
            Inst::Math(_, args) => args.iter_mut().for_each(&mut of),
            Inst::Load { .. } => {}
            _ => panic!("not element-wise: {inst:?}"),
        }
        wide.insts[v.0 as usize] = (inst, ty.with_lanes(lanes));
    }
    f.step *= i64::from(lanes);
    wide.body.push(Stmt::For(Box::new(f)));
    verify::verify(&wide).unwrap();
    wide
}

/// `outs = f(ins)`, element by element.
pub fn element_wise(
    name: &str,
    n: usize,
    ins: &[DType],
    outs: &[DType],
    f: impl FnOnce(&mut build::LoopBuilder, &[Val]) -> Vec<Val>,
) -> Kernel {
    let mut b = build::LoopBuilder::new();
    let ins: Vec<Buf> = ins.iter().map(|&mem| b.param(mem, Role::In)).collect();
    let outs: Vec<Buf> = outs.iter().map(|&mem| b.param(mem, Role::Out)).collect();
    let (begin, end) = b.bounds();
    let open = b.open_loop(begin, end, 1, &[]);
    let i = open.var;
    let x: Vec<Val> = ins.iter().map(|&buf| b.load(buf, i)).collect();
    for (buf, y) in outs.into_iter().zip(f(&mut b, &x)) {
        b.store(buf, i, y);
    }
    b.close_loop(open, &[], &[]);
    b.finish(name.into(), n)
}
