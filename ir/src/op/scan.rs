//! Running combinations along an axis.

use super::cast::computed_in;
use super::reduce::neutral;
use super::*;
use crate::dtype::DType;
use crate::loops::{BinOp, CastOp, CmpOp, Elem, UnOp};

/// What goes from each element along the axis to the next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Running {
    /// The sum so far. Not of bool.
    Sum,
    /// The product so far. Not of bool.
    Prod,
    /// The index of the largest element so far, the latest of equal ones; a NaN counts as the extremum.
    ArgMax,
    /// The same of the smallest.
    ArgMin,
    /// Of two operands: the result before this one, times the first operand, plus the second. Before all
    /// results stands 0. Not of bool.
    Linear,
}

const NAMES: [(&str, Running); 5] = [
    ("sum", Running::Sum),
    ("prod", Running::Prod),
    ("argmax", Running::ArgMax),
    ("argmin", Running::ArgMin),
    ("linear", Running::Linear),
];

/// Each element along `axis` combined with all before it, or, in `reverse`, with all behind it. f32 accumulates in
/// f64, f16 and bf16 in f32, other types in themselves; each result is rounded from there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Scan {
    pub running: Running,
    pub axis: u8,
    pub reverse: bool,
}

/// The register in which a scan over `dtype` accumulates.
const fn accumulates_in(dtype: DType) -> Elem {
    match dtype {
        DType::F32 => Elem::F64,
        _ => computed_in(dtype),
    }
}

/// Whether some of the elements may be combined among themselves before they meet the accumulator: where that is
/// exact, or the accumulator has room for it beyond the digits and the range of the results.
const fn may_regroup(dtype: DType) -> bool {
    !matches!(dtype, DType::F64 | DType::BF16)
}

impl Scan {
    /// `v`, moved by one along the axis: each place has what the scan meets before it, or, if `behind`, next.
    fn moved(&self, b: &mut dyn Build, v: Value, behind: bool, fill: f64) -> Value {
        let shape = b.shape(v);
        let axis = self.axis as usize;
        let extent = shape[axis].get();
        if extent == 0 {
            return v;
        }
        let up = self.reverse == behind;
        let along = |start: usize| -> SmallVec<[Span; 4]> {
            let mut spans: SmallVec<[Span; 4]> = shape.iter().map(|d| Span::all(d.get())).collect();
            spans[axis] = Span { start: start as i64, step: 1, size: extent as u64 - 1 };
            spans
        };
        let fill = crate::dtype::Literal::from_f64(b.dtype(v), fill);
        let fill = b.literal(fill);
        let kept = b.one(Op::Slice(Slice { spans: along(if up { 0 } else { 1 }) }), &[v]);
        b.one(Op::Pad(Pad { spans: along(if up { 1 } else { 0 }), shape }), &[kept, fill])
    }

    /// What flows back through a running product or a linear recurrence whose factors are `factors`: the
    /// gradient at each place, and by the factors those behind it.
    fn flow_back(&self, b: &mut dyn Build, factors: Value, g: Value) -> Value {
        let next = self.moved(b, factors, true, 0.0);
        let back = Scan { running: Running::Linear, axis: self.axis, reverse: !self.reverse };
        b.one(Op::Scan(back), &[next, g])
    }

    /// Whether the running extremum at `best` gives way to `x`.
    fn takes(&self, b: &mut LoopBuilder, best: Val, x: Val) -> Val {
        let largest = self.running == Running::ArgMax;
        let elem = b.ty(x).elem;
        if elem == Elem::Mask {
            let (new, old) = if largest { (x, best) } else { (best, x) };
            let old = b.un(UnOp::Not, old);
            return b.bin(BinOp::Or, new, old);
        }
        let (low, high) = if largest { (best, x) } else { (x, best) };
        let reaches = b.cmp(CmpOp::Le, low, high);
        if !elem.is_float() {
            return reaches;
        }
        let nan = b.cmp(CmpOp::Ne, x, x);
        b.bin(BinOp::Or, reaches, nan)
    }
}

/// A computed value in the accumulator's register, and back.
fn widen(b: &mut LoopBuilder, x: Val, dtype: DType) -> Val {
    if dtype == DType::F32 { b.cast(CastOp::Widen, x, Elem::F64) } else { x }
}

fn narrow(b: &mut LoopBuilder, x: Val, dtype: DType) -> Val {
    if dtype == DType::F32 { b.cast(CastOp::Narrow, x, Elem::F32) } else { settle(b, x, dtype) }
}

impl Primitive for Scan {
    const KIND: Kind = Kind::Push;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "scan" {
            return Ok(None);
        }
        c.symbol("<")?;
        let word = c.one_of(&NAMES.map(|(name, _)| name), "`sum`, `prod`, `argmax`, `argmin` or `linear`")?;
        c.symbol(",")?;
        let axis = c.integer("an axis")?;
        c.symbol(",")?;
        let reverse = c.one_of(&["up", "down"], "`up` or `down`")? == "down";
        c.symbol(">")?;
        let running = NAMES.iter().find(|(name, _)| *name == word).map_or(Running::Sum, |&(_, r)| r);
        Ok(Some(Scan { running, axis, reverse }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("scan", x, if self.running == Running::Linear { 2 } else { 1 })?;
        if self.axis as usize >= x[0].shape.rank() {
            return Err(OpError::attribute("scan", "axis is out of range", &x[0].shape));
        }
        if let Some(other) = x.get(1) {
            if other.shape != x[0].shape {
                return Err(OpError::Shapes {
                    op: "scan".into(),
                    a: x[0].shape.clone(),
                    b: other.shape.clone(),
                });
            }
            if other.dtype != x[0].dtype {
                return Err(OpError::DTypes { op: "scan".into(), a: x[0].dtype, b: other.dtype });
            }
        }
        let searches = matches!(self.running, Running::ArgMax | Running::ArgMin);
        if x[0].dtype == DType::Bool && !searches {
            return Err(OpError::DType { op: self.to_string(), dtype: x[0].dtype });
        }
        single(Type::new(if searches { DType::I64 } else { x[0].dtype }, x[0].shape.clone()))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Grads {
        let none = x.iter().map(|_| None).collect();
        let Some(g) = dy[0].filter(|&g| b.dtype(g).is_float()) else { return none };
        match self.running {
            Running::Sum => {
                let back = Scan { reverse: !self.reverse, ..self.clone() };
                Grads::from_slice(&[Some(b.one(Op::Scan(back), &[g]))])
            }
            Running::Prod => {
                // Without a division, so that zeros need no thought.
                let before = self.moved(b, y[0], false, 1.0);
                let flow = self.flow_back(b, x[0], g);
                Grads::from_slice(&[Some(b.mul(before, flow))])
            }
            Running::Linear => {
                let flow = self.flow_back(b, x[0], g);
                let before = self.moved(b, y[0], false, 0.0);
                Grads::from_slice(&[Some(b.mul(before, flow)), Some(flow)])
            }
            Running::ArgMax | Running::ArgMin => none,
        }
    }

    fn nests(&self, node: &Node, _: &dyn Fn(Value) -> Type) -> Vec<Nest> {
        vec![Nest::carrying(&node.types[0].shape, self.axis)]
    }

    fn start(&self, p: &mut dyn Pull, node: &Node) -> Carry {
        let dtype = p.type_of(node.inputs[0]).dtype;
        let b = p.loops();
        let elem = accumulates_in(dtype);
        let number = |b: &mut LoopBuilder, value: i64| {
            if elem.is_float() { b.float(elem, value as f64) } else { b.int(elem, value) }
        };
        match self.running {
            Running::Sum | Running::Linear => Carry::from_slice(&[number(b, 0)]),
            Running::Prod => Carry::from_slice(&[number(b, 1)]),
            Running::ArgMax | Running::ArgMin => {
                let combine = if self.running == Running::ArgMax { Combine::Max } else { Combine::Min };
                let combine = if dtype == DType::Bool { on_masks(combine) } else { combine };
                let best = neutral(b, combine, dtype);
                Carry::from_slice(&[best, b.index(0)])
            }
        }
    }

    fn write(&self, p: &mut dyn Pull, node: &Node, _: usize, index: &[Val], carried: &[Val]) -> Write {
        let mut at = Index::from_slice(index);
        let axis = self.axis as usize;
        if self.reverse {
            let last = node.types[0].shape[axis].get() as i64 - 1;
            at[axis] = p.loops().affine(&[(index[axis], -1)], last);
        }
        let dtype = p.type_of(node.inputs[0]).dtype;
        let x = p.pull(node.inputs[0], &at);
        let second = node.inputs.get(1).map(|&v| p.pull(v, &at));
        let b = p.loops();
        let (value, carried) = match self.running {
            Running::Sum | Running::Prod => {
                let combine = if self.running == Running::Sum { Combine::Add } else { Combine::Mul };
                let x = widen(b, x, dtype);
                let next = b.combine(combine, carried[0], x);
                let regroup = may_regroup(dtype).then_some(combine);
                (narrow(b, next, dtype), SmallVec::from_slice(&[(next, regroup)]))
            }
            Running::Linear => {
                let (factor, term) = (widen(b, x, dtype), widen(b, second.expect("two operands"), dtype));
                let scaled = b.bin(BinOp::Mul, carried[0], factor);
                let next = b.bin(BinOp::Add, scaled, term);
                (narrow(b, next, dtype), SmallVec::from_slice(&[(next, None)]))
            }
            Running::ArgMax | Running::ArgMin => {
                let takes = self.takes(b, carried[0], x);
                let best = b.select(takes, x, carried[0]);
                let place = b.select(takes, at[axis], carried[1]);
                (place, SmallVec::from_slice(&[(best, None), (place, None)]))
            }
        };
        Write { index: at, value, combine: None, carried }
    }
}

impl fmt::Display for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, r)| *r == self.running).map_or("?", |(name, _)| name);
        let way = if self.reverse { "down" } else { "up" };
        write!(f, "scan<{name}, {}, {way}>", self.axis)
    }
}
