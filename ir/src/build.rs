//! The one way to make nodes, and the small vocabulary in which gradients are written.

use crate::dtype::{DType, Literal};
use crate::error::OpError;
use crate::graph::{NodeId, Type, Value};
use crate::op::{Cast, Constant, Expand, Op, Permute, Reduce, Reshape, Scalar};
use crate::shape::Shape;
use smallvec::SmallVec;

/// Something that nodes can be added to: a [`crate::graph::Graph`], or a front end's recording.
///
/// `add` infers the types of the results and refuses operands that do not fit.
pub trait Build {
    fn add(&mut self, op: Op, inputs: &[Value]) -> Result<NodeId, OpError>;
    fn type_of(&self, v: Value) -> &Type;
}

/// Shorthands over [`Build::add`] for operands known to fit: gradient rules and rewrite rules, whose
/// operands come from nodes that were checked. A mismatch is a defect of the rule and panics.
impl dyn Build + '_ {
    #[track_caller]
    pub fn one(&mut self, op: Op, inputs: &[Value]) -> Value {
        match self.add(op, inputs) {
            Ok(node) => Value { node, port: 0 },
            Err(e) => panic!("a rule built an ill-typed node: {e}"),
        }
    }

    pub fn dtype(&self, v: Value) -> DType {
        self.type_of(v).dtype
    }

    pub fn shape(&self, v: Value) -> Shape {
        self.type_of(v).shape.clone()
    }

    /// A 0-d literal.
    pub fn literal(&mut self, literal: Literal) -> Value {
        self.one(Op::Constant(Constant { literal }), &[])
    }

    /// `value` in the dtype and shape of `like`.
    pub fn fill_like(&mut self, like: Value, value: f64) -> Value {
        let ty = self.type_of(like).clone();
        self.fill(&ty, value)
    }

    /// A tensor of type `ty` that holds `value` everywhere.
    pub fn fill(&mut self, ty: &Type, value: f64) -> Value {
        let c = self.literal(Literal::from_f64(ty.dtype, value));
        self.broadcast_to(c, &ty.shape)
    }

    /// NumPy's broadcast: leading axes are added, axes of extent 1 repeated.
    pub fn broadcast_to(&mut self, v: Value, shape: &Shape) -> Value {
        let own = self.shape(v);
        let lead = shape.rank().saturating_sub(own.rank());
        let aligned: Shape = (0..lead).map(|_| 1.into()).chain(own.iter().copied()).collect();
        let v = self.reshape(v, &aligned);
        self.expand(v, shape)
    }

    #[track_caller]
    pub fn map(&mut self, op: Scalar, inputs: &[Value]) -> Value {
        self.one(Op::Map(op), inputs)
    }

    pub fn reshape(&mut self, v: Value, shape: &Shape) -> Value {
        if &self.type_of(v).shape == shape {
            return v;
        }
        self.one(Op::Reshape(Reshape { shape: shape.clone() }), &[v])
    }

    /// Axes of extent 1 repeated to the extents of `shape` (equal rank).
    pub fn expand(&mut self, v: Value, shape: &Shape) -> Value {
        if &self.type_of(v).shape == shape {
            return v;
        }
        self.one(Op::Expand(Expand { shape: shape.clone() }), &[v])
    }

    pub fn permute(&mut self, v: Value, axes: &[usize]) -> Value {
        if axes.iter().enumerate().all(|(i, &a)| i == a) {
            return v;
        }
        self.one(Op::Permute(Permute { axes: axes.iter().map(|&a| a as u8).collect() }), &[v])
    }

    pub fn cast(&mut self, v: Value, dtype: DType) -> Value {
        if self.dtype(v) == dtype {
            return v;
        }
        self.one(Op::Cast(Cast { dtype }), &[v])
    }

    /// Sum over `axes`, which disappear.
    pub fn sum(&mut self, v: Value, axes: &[usize]) -> Value {
        if axes.is_empty() {
            return v;
        }
        self.one(Op::Reduce(Reduce::sum(axes)), &[v])
    }

    /// The inverse of dropping `axes`: puts axes of extent 1 where they were and repeats to `shape`.
    pub fn expand_axes(&mut self, v: Value, axes: &[u8], shape: &Shape) -> Value {
        let kept: Shape = shape
            .iter()
            .enumerate()
            .map(|(i, &d)| if axes.contains(&(i as u8)) { 1.into() } else { d })
            .collect();
        let v = self.reshape(v, &kept);
        self.expand(v, shape)
    }

    pub fn add_(&mut self, a: Value, b: Value) -> Value {
        self.map(Scalar::Add, &[a, b])
    }
    pub fn sub(&mut self, a: Value, b: Value) -> Value {
        self.map(Scalar::Sub, &[a, b])
    }
    pub fn mul(&mut self, a: Value, b: Value) -> Value {
        self.map(Scalar::Mul, &[a, b])
    }
    pub fn div(&mut self, a: Value, b: Value) -> Value {
        self.map(Scalar::Div, &[a, b])
    }
    pub fn neg(&mut self, a: Value) -> Value {
        self.map(Scalar::Neg, &[a])
    }
    /// `a` times a literal.
    pub fn scale(&mut self, a: Value, by: f64) -> Value {
        let c = self.fill_like(a, by);
        self.mul(a, c)
    }
    /// `a` plus a literal.
    pub fn offset(&mut self, a: Value, by: f64) -> Value {
        let c = self.fill_like(a, by);
        self.add_(a, c)
    }
    /// `a` where `mask`, else `b`.
    pub fn select(&mut self, mask: Value, a: Value, b: Value) -> Value {
        self.map(Scalar::Select, &[mask, a, b])
    }
    /// `a` where `mask`, else 0.
    pub fn mask(&mut self, mask: Value, a: Value) -> Value {
        let zero = self.fill_like(a, 0.0);
        self.select(mask, a, zero)
    }
}

/// Gradients with respect to the operands of one node; `None` where there is none.
pub type Grads = SmallVec<[Option<Value>; 3]>;
