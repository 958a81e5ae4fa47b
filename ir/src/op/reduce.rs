//! Elements combined along axes.

use super::cast::{computed_in, settle};
use super::simplify::made_by;
use super::*;
use crate::dtype::DType;
use crate::loops::Elem;

/// Combines along `axes` (ascending), which disappear. f16 and bf16 accumulate in f32; other types in
/// themselves. Over nothing the result is the combination's neutral element.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reduce {
    pub combine: Combine,
    pub axes: Axes,
}

impl Reduce {
    pub fn sum(axes: &[usize]) -> Reduce {
        Reduce { combine: Combine::Add, axes: axes.iter().map(|&a| a as u8).collect() }
    }
}

/// `x` combined with this is `x`.
pub fn neutral(b: &mut LoopBuilder, combine: Combine, dtype: DType) -> Val {
    let elem = computed_in(dtype);
    if elem == Elem::Mask {
        return b.mask(matches!(combine, Combine::And | Combine::Mul | Combine::Min));
    }
    if elem.is_float() {
        let value = match combine {
            Combine::Mul => 1.0,
            Combine::Min => f64::INFINITY,
            Combine::Max => f64::NEG_INFINITY,
            _ => 0.0,
        };
        return b.float(elem, value);
    }
    let (low, high) = dtype.integer_range().expect("an integer type");
    let value = match combine {
        Combine::Mul => 1,
        Combine::Min => high,
        Combine::Max => low,
        Combine::And => -1,
        Combine::Add | Combine::Or => 0,
    };
    b.int(elem, value)
}

/// The combination as it applies to masks.
pub fn on_masks(combine: Combine) -> Combine {
    match combine {
        Combine::Add | Combine::Max | Combine::Or => Combine::Or,
        Combine::Mul | Combine::Min | Combine::And => Combine::And,
    }
}

impl Primitive for Reduce {
    const KIND: Kind = Kind::Pull;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "reduce" {
            return Ok(None);
        }
        c.symbol("<")?;
        let combine = parse_combine(c)?;
        c.symbol(",")?;
        let axes = c.numbers()?;
        c.symbol(">")?;
        Ok(Some(Reduce { combine, axes }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("reduce", x, 1)?;
        let rank = x[0].shape.rank() as u8;
        if !self.axes.is_sorted_by(|a, b| a < b) || self.axes.last().is_some_and(|&a| a >= rank) {
            return Err(OpError::attribute("reduce", "axes are out of range or out of order", &x[0].shape));
        }
        if matches!(self.combine, Combine::And | Combine::Or) && x[0].dtype.is_float() {
            return Err(OpError::DType { op: self.to_string(), dtype: x[0].dtype });
        }
        let kept = other_axes(x[0].shape.rank(), &self.axes);
        single(Type::new(x[0].dtype, kept.iter().map(|&a| x[0].shape[a as usize]).collect()))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Grads {
        let Some(g) = dy[0].filter(|&g| b.dtype(g).is_float()) else {
            return Grads::from_slice(&[None]);
        };
        let shape = b.shape(x[0]);
        let g = b.expand_axes(g, &self.axes, &shape);
        let axes: SmallVec<[usize; 4]> = self.axes.iter().map(|&a| a as usize).collect();
        let dx = match self.combine {
            Combine::Add => g,
            Combine::Mul => {
                let y = b.expand_axes(y[0], &self.axes, &shape);
                let (zero, one) = (b.fill_like(x[0], 0.0), b.fill_like(x[0], 1.0));
                let is_zero = b.map(Scalar::Eq, &[x[0], zero]);
                // Without zeros y / x; at the only zero the product of the others; else 0.
                let count = b.select(is_zero, one, zero);
                let count = b.sum(count, &axes);
                let count = b.expand_axes(count, &self.axes, &shape);
                let others = b.select(is_zero, one, x[0]);
                let others = b.one(Op::Reduce(self.clone()), &[others]);
                let others = b.expand_axes(others, &self.axes, &shape);
                let plain = b.div(y, x[0]);
                let single = b.map(Scalar::Eq, &[count, one]);
                let at_single = b.map(Scalar::And, &[single, is_zero]);
                let with_zeros = b.select(at_single, others, zero);
                let none = b.map(Scalar::Eq, &[count, zero]);
                let slope = b.select(none, plain, with_zeros);
                b.mul(g, slope)
            }
            Combine::Min | Combine::Max => {
                let y = b.expand_axes(y[0], &self.axes, &shape);
                let wins = b.map(Scalar::Eq, &[x[0], y]);
                let (zero, one) = (b.fill_like(x[0], 0.0), b.fill_like(x[0], 1.0));
                let count = b.select(wins, one, zero);
                let count = b.sum(count, &axes);
                let count = b.expand_axes(count, &self.axes, &shape);
                let share = b.div(g, count);
                b.select(wins, share, zero)
            }
            Combine::And | Combine::Or => return Grads::from_slice(&[None]),
        };
        Grads::from_slice(&[Some(dx)])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let x = node.inputs[0];
        let ty = p.type_of(x).clone();
        let extents: SmallVec<[usize; 4]> = self.axes.iter().map(|&a| ty.shape[a as usize].get()).collect();
        let kept = other_axes(ty.shape.rank(), &self.axes);
        let combine = if ty.dtype == DType::Bool { on_masks(self.combine) } else { self.combine };
        let init = neutral(p.loops(), combine, ty.dtype);
        let depth = depth_of(p.loops(), index);
        let value = p.reduce(combine, &extents, init, depth, &mut |p, reduced| {
            let mut at: Index = SmallVec::from_elem(Val(0), ty.shape.rank());
            self.axes.iter().zip(reduced).for_each(|(&a, &v)| at[a as usize] = v);
            kept.iter().zip(index).for_each(|(&a, &v)| at[a as usize] = v);
            p.pull(x, &at)
        });
        settle(p.loops(), value, ty.dtype)
    }

    fn cost(&self) -> Cost {
        Cost::Loop
    }

    fn reduction(&self, x: &[&Type]) -> Option<(Combine, SmallVec<[usize; 4]>)> {
        Some((self.combine, self.axes.iter().map(|&a| x[0].shape[a as usize].get()).collect()))
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        let ty = g.ty(x[0]).clone();
        let float_sum = ty.dtype.is_float() && self.combine == Combine::Add;
        let rounds = ty.dtype.is_float() && matches!(self.combine, Combine::Add | Combine::Mul);
        // 0.0 + -0.0 is 0.0: a float sum of one element is not the element.
        if !float_sum && self.axes.iter().all(|&a| ty.shape[a as usize].is_one()) {
            let kept = other_axes(ty.shape.rank(), &self.axes);
            let shape = kept.iter().map(|&a| ty.shape[a as usize]).collect();
            let b: &mut dyn Build = g;
            return Some(("reduction of single elements", b.reshape(x[0], &shape)));
        }
        match made_by(g, x[0]) {
            (Op::Reduce(inner), from) if inner.combine == self.combine && !rounds => {
                let from = from[0];
                let kept = other_axes(g.ty(from).shape.rank(), &inner.axes);
                let mut axes: Axes = self.axes.iter().map(|&a| kept[a as usize]).collect();
                axes.extend_from_slice(&inner.axes);
                axes.sort_unstable();
                let b: &mut dyn Build = g;
                let joined = b.one(Op::Reduce(Reduce { combine: self.combine, axes }), &[from]);
                Some(("reduction of a reduction", joined))
            }
            (Op::Expand(_), from) if !rounds && self.combine != Combine::Mul => {
                let from = from[0];
                let source = g.ty(from).shape.clone();
                let mut shape = ty.shape.clone();
                let mut times = 1usize;
                for &a in &self.axes {
                    let a = a as usize;
                    if source[a].is_one() && ty.shape[a].get() > 1 {
                        times *= ty.shape[a].get();
                        shape[a] = 1.into();
                    }
                }
                if times == 1 {
                    return None;
                }
                let b: &mut dyn Build = g;
                let once = b.expand(from, &shape);
                let once = b.one(Op::Reduce(self.clone()), &[once]);
                if self.combine != Combine::Add || ty.dtype == DType::Bool {
                    return Some(("reduction over equal elements", once));
                }
                let times = crate::dtype::Literal::from_i64(ty.dtype, times as i64);
                let (times, shape) = (b.literal(times), b.shape(once));
                let times = b.broadcast_to(times, &shape);
                Some(("sum of equal integers", b.mul(once, times)))
            }
            _ => None,
        }
    }
}

/// The number of open loops that an index depends on.
pub fn depth_of(b: &LoopBuilder, index: &[Val]) -> usize {
    index.iter().map(|&v| b.depth_of(v)).max().unwrap_or(0)
}

pub(super) const fn combine_name(combine: Combine) -> &'static str {
    match combine {
        Combine::Add => "sum",
        Combine::Mul => "prod",
        Combine::Min => "min",
        Combine::Max => "max",
        Combine::And => "all",
        Combine::Or => "any",
    }
}

pub(super) fn parse_combine(c: &mut Cursor<'_>) -> Parse<Combine> {
    let names: SmallVec<[&str; 6]> = Combine::ALL.iter().map(|&c| combine_name(c)).collect();
    let name = c.one_of(&names, "a combination")?;
    Ok(Combine::ALL[names.iter().position(|&n| n == name).unwrap_or(0)])
}

impl fmt::Display for Reduce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reduce<{}, ", combine_name(self.combine))?;
        write_list(f, &self.axes)?;
        f.write_str(">")
    }
}
