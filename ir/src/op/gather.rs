//! Elements picked along an axis by an index tensor.

use super::*;
use crate::dtype::DType;
use crate::loops::{BinOp, CastOp, CmpOp, Elem};

/// Which axis of the result each axis of an operand runs along; the indexed axis of the data has none.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Picks {
    /// The axis of the data that the index chooses from.
    pub axis: u8,
    /// For each other axis of the data, in order, its axis in the picked tensor.
    pub data: Axes,
    /// For each axis of the index, its axis in the picked tensor.
    pub index: Axes,
}

impl Picks {
    fn parse(c: &mut Cursor<'_>) -> Parse<Picks> {
        let axis = c.integer("an axis")?;
        c.symbol(";")?;
        let data = c.numbers()?;
        c.symbol(";")?;
        Ok(Picks { axis, data, index: c.numbers()? })
    }

    /// The shape of the picked tensor, if the operands agree on it.
    fn picked(&self, op: &str, data: &Type, index: &Type) -> Result<Shape, OpError> {
        let wrong = |why: &str| Err(OpError::attribute(op, why, &data.shape));
        if !matches!(index.dtype, DType::I64 | DType::I32) {
            return Err(OpError::DType { op: op.into(), dtype: index.dtype });
        }
        if self.axis as usize >= data.shape.rank()
            || self.data.len() + 1 != data.shape.rank()
            || self.index.len() != index.shape.rank()
        {
            return wrong("axes do not match the operands");
        }
        let rank = self.data.iter().chain(&self.index).map(|&a| a as usize + 1).max().unwrap_or(0);
        let mut dims: SmallVec<[Option<crate::shape::Dim>; 4]> = SmallVec::from_elem(None, rank);
        let others = data.shape.iter().enumerate().filter(|(i, _)| *i != self.axis as usize).map(|(_, d)| *d);
        let claims = self
            .data
            .iter()
            .copied()
            .zip(others)
            .chain(self.index.iter().copied().zip(index.shape.iter().copied()));
        for (axis, dim) in claims {
            match dims[axis as usize].replace(dim) {
                Some(before) if before != dim => return wrong("operands disagree on an axis"),
                _ => {}
            }
        }
        dims.into_iter().collect::<Option<Shape>>().map_or_else(|| wrong("an axis has no extent"), Ok)
    }

    /// The place in the data that belongs to place `at` of the picked tensor. Fails at run time when
    /// the index is out of range.
    fn locate(&self, p: &mut dyn Pull, data: Value, index: Value, at: &[Val]) -> Index {
        let place: Index = self.index.iter().map(|&a| at[a as usize]).collect();
        let extent = p.type_of(data).shape[self.axis as usize].get() as i64;
        let mut chosen = p.pull(index, &place);
        let b = p.loops();
        if b.ty(chosen).elem == Elem::I32 {
            chosen = b.cast(CastOp::SignExtend, chosen, Elem::I64);
        }
        let (zero, end) = (b.index(0), b.index(extent));
        let (above, below) = (b.cmp(CmpOp::Le, zero, chosen), b.cmp(CmpOp::Lt, chosen, end));
        let ok = b.bin(BinOp::And, above, below);
        b.check(ok, INDEX_OUT_OF_RANGE, chosen);
        let mut index: Index = self.data.iter().map(|&a| at[a as usize]).collect();
        index.insert(self.axis as usize, chosen);
        index
    }
}

impl fmt::Display for Picks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; ", self.axis)?;
        write_list(f, &self.data)?;
        f.write_str("; ")?;
        write_list(f, &self.index)
    }
}

/// `y[at] = data[.., index[at], ..]`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Gather {
    pub picks: Picks,
}

impl Primitive for Gather {
    const KIND: Kind = Kind::Pull;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "gather" {
            return Ok(None);
        }
        c.symbol("<")?;
        let picks = Picks::parse(c)?;
        c.symbol(">")?;
        Ok(Some(Gather { picks }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("gather", x, 2)?;
        single(Type::new(x[0].dtype, self.picks.picked("gather", x[0], x[1])?))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let Some(g) = dy[0].filter(|&g| b.dtype(g).is_float()) else {
            return Grads::from_slice(&[None, None]);
        };
        let zeros = b.fill_like(x[0], 0.0);
        let scatter = Scatter { picks: self.picks.clone(), combine: Some(Combine::Add) };
        Grads::from_slice(&[Some(b.one(Op::Scatter(scatter), &[zeros, x[1], g])), None])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let at = self.picks.locate(p, node.inputs[0], node.inputs[1], index);
        p.pull(node.inputs[0], &at)
    }
}

impl fmt::Display for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gather<{}>", self.picks)
    }
}

/// The data with `data[.., index[at], ..]` replaced by, or combined with, `updates[at]`, in order of
/// `at`. Operands: data, index, updates.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Scatter {
    pub picks: Picks,
    /// `None` replaces: the last update wins.
    pub combine: Option<Combine>,
}

/// How an update meets what is there, by its name in text.
const MODES: [(&str, Option<Combine>); 5] = [
    ("set", None),
    ("add", Some(Combine::Add)),
    ("mul", Some(Combine::Mul)),
    ("min", Some(Combine::Min)),
    ("max", Some(Combine::Max)),
];

impl Scatter {
    /// What a gather by the same picks reads of `data`.
    fn picked_of(&self, b: &mut dyn Build, data: Value, index: Value) -> Value {
        b.one(Op::Gather(Gather { picks: self.picks.clone() }), &[data, index])
    }

    fn combined(
        &self,
        b: &mut dyn Build,
        combine: Combine,
        data: Value,
        index: Value,
        updates: Value,
    ) -> Value {
        let scatter = Scatter { picks: self.picks.clone(), combine: Some(combine) };
        b.one(Op::Scatter(scatter), &[data, index, updates])
    }

    /// Gradients of a product: of the data the product of the updates; of an update the product of all others, which
    /// is not 0 only if no other factor is.
    fn product_vjp(&self, b: &mut dyn Build, x: &[Value], y: Value, g: Value) -> (Value, Value) {
        let ones = b.fill_like(x[0], 1.0);
        let factors = self.combined(b, Combine::Mul, ones, x[1], x[2]);
        let data = b.mul(g, factors);
        let (zero, one) = (b.fill_like(x[2], 0.0), b.fill_like(x[2], 1.0));
        let is_zero = b.map(Scalar::Eq, &[x[2], zero]);
        let nonzero = b.select(is_zero, one, x[2]);
        let zeros = b.select(is_zero, one, zero);
        let none = b.fill_like(x[0], 0.0);
        let count = self.combined(b, Combine::Add, none, x[1], zeros);
        let count = self.picked_of(b, count, x[1]);
        let others = self.combined(b, Combine::Mul, x[0], x[1], nonzero);
        let at_zero = b.mul(g, others);
        let at_zero = self.picked_of(b, at_zero, x[1]);
        let single = b.map(Scalar::Eq, &[count, one]);
        let at_zero = b.select(single, at_zero, zero);
        let plain = b.mul(g, y);
        let plain = self.picked_of(b, plain, x[1]);
        let plain = b.div(plain, nonzero);
        (data, b.select(is_zero, at_zero, plain))
    }

    /// Gradients of an extremum: shared evenly by all that attain it.
    fn extremum_vjp(&self, b: &mut dyn Build, x: &[Value], y: Value, g: Value) -> (Value, Value) {
        let best = self.picked_of(b, y, x[1]);
        let (zero, one) = (b.fill_like(x[0], 0.0), b.fill_like(x[0], 1.0));
        let wins = b.map(Scalar::Eq, &[x[0], y]);
        let own = b.select(wins, one, zero);
        let (none, each) = (b.fill_like(x[2], 0.0), b.fill_like(x[2], 1.0));
        let hits = b.map(Scalar::Eq, &[x[2], best]);
        let given = b.select(hits, each, none);
        let count = self.combined(b, Combine::Add, own, x[1], given);
        let share = b.div(g, count);
        let data = b.select(wins, share, zero);
        let updates = self.picked_of(b, share, x[1]);
        (data, b.select(hits, updates, none))
    }
}

impl Primitive for Scatter {
    const KIND: Kind = Kind::Push;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "scatter" {
            return Ok(None);
        }
        c.symbol("<")?;
        let modes = MODES.map(|(mode, _)| mode);
        let mode = c.one_of(&modes, "`set`, `add`, `mul`, `min` or `max`")?;
        c.symbol(",")?;
        let picks = Picks::parse(c)?;
        c.symbol(">")?;
        let combine = MODES.iter().find(|(name, _)| *name == mode).and_then(|&(_, combine)| combine);
        Ok(Some(Scatter { picks, combine }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("scatter", x, 3)?;
        let picked = self.picks.picked("scatter", x[0], x[1])?;
        if picked != x[2].shape {
            return Err(OpError::Shapes { op: "scatter".into(), a: picked, b: x[2].shape.clone() });
        }
        if x[2].dtype != x[0].dtype {
            return Err(OpError::DTypes { op: "scatter".into(), a: x[0].dtype, b: x[2].dtype });
        }
        if !MODES.iter().any(|&(_, combine)| combine == self.combine) {
            return Err(OpError::attribute("scatter", "no way to combine numbers", &x[0].shape));
        }
        single(x[0].clone())
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Grads {
        let Some(g) = dy[0].filter(|&g| b.dtype(g).is_float()) else {
            return Grads::from_slice(&[None, None, None]);
        };
        let (data, updates) = match self.combine {
            None => {
                let zeros = b.fill_like(x[2], 0.0);
                (b.one(Op::Scatter(self.clone()), &[g, x[1], zeros]), self.picked_of(b, g, x[1]))
            }
            Some(Combine::Mul) => self.product_vjp(b, x, y[0], g),
            Some(Combine::Min | Combine::Max) => self.extremum_vjp(b, x, y[0], g),
            _ => (g, self.picked_of(b, g, x[1])),
        };
        Grads::from_slice(&[Some(data), None, Some(updates)])
    }

    fn takes_over(&self) -> Option<usize> {
        Some(0)
    }

    fn nests(&self, node: &Node, types: &dyn Fn(Value) -> Type) -> Vec<Nest> {
        let extents = types(node.inputs[2]).shape;
        // Along the data's own axes two iterations never meet.
        let ordered = (0..extents.rank() as u8).map(|a| !self.picks.data.contains(&a)).collect();
        vec![Nest::free(0, &node.types[0].shape), Nest { stage: 1, extents, ordered, carries: None }]
    }

    fn write(&self, p: &mut dyn Pull, node: &Node, nest: usize, index: &[Val], _: &[Val]) -> Write {
        if nest == 0 {
            let value = p.pull(node.inputs[0], index);
            return Write::put(index.into(), value, None);
        }
        let at = self.picks.locate(p, node.inputs[0], node.inputs[1], index);
        let value = p.pull(node.inputs[2], index);
        Write::put(at, value, self.combine)
    }
}

impl fmt::Display for Scatter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = MODES.iter().find(|(_, combine)| *combine == self.combine).map_or("?", |(mode, _)| mode);
        write!(f, "scatter<{mode}, {}>", self.picks)
    }
}
