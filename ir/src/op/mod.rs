//! The primitives: everything the workspace knows about an operation stands in its one file here.
//!
//! A primitive says what types it takes and gives ([`Primitive::infer`]), its gradient as a graph
//! ([`Primitive::vjp`]) and its loops. A *pull* op is read at any index ([`Primitive::pull`]): its
//! consumer substitutes it, and views vanish into index expressions. A *push* op owns its loops
//! ([`Primitive::nests`]): its result is a buffer. What no loops say well a routine of the host computes
//! ([`Primitive::routine`]), from buffers to buffers. No pass asks which op a node is.

mod arg_reduce;
mod bitcast;
mod call;
mod cast;
mod concat;
mod constant;
mod contract;
mod expand;
mod factor;
mod fft;
mod gather;
mod identity;
mod input;
mod iota;
mod map;
mod pad;
mod permute;
mod reduce;
mod reshape;
mod scalar;
mod scalar_emit;
pub mod scalar_math;
mod scalar_rules;
mod scan;
mod simplify;
mod slice;
mod sort;
mod update;
mod window;

pub use arg_reduce::ArgReduce;
pub use bitcast::Bitcast;
pub use call::{Body, Call};
pub use cast::{Cast, computed_in, convert, from_half_bits, settle, to_half_bits};
pub use concat::Concat;
pub use constant::Constant;
pub use contract::Contract;
pub use expand::Expand;
pub use factor::{Factor, Form, Solve, Triangle, TriangularSolve, Vectors};
pub use fft::Fft;
pub use gather::{Gather, Picks, Scatter};
pub use identity::{Detach, Fence};
pub use input::{Input, Source};
pub use iota::Iota;
pub use pad::Pad;
pub use permute::Permute;
pub use reduce::{Reduce, depth_of, neutral, on_masks};
pub use reshape::Reshape;
pub use scalar::{DIVISION_BY_ZERO, INDEX_OUT_OF_RANGE, Scalar, Signature};
pub use scan::{Running, Scan};
pub use simplify::{Simplified, splat};
pub use slice::{Slice, Span};
pub use sort::Sort;
pub use update::Update;
pub use window::{Fold, Pane, Window};

use crate::build::{Build, Grads};
use crate::error::OpError;
use crate::graph::{Graph, Node, Type, Value};
use crate::loops::build::LoopBuilder;
use crate::loops::{Combine, Val};
use crate::parse::{Cursor, Parse};
use crate::routine::Routine;
use crate::shape::{Shape, Strides};
use smallvec::SmallVec;
use std::fmt;

/// The types of a node's results.
pub type Outputs = SmallVec<[Type; 1]>;
/// An index into a value: one I64 per axis.
pub type Index = SmallVec<[Val; 4]>;
/// Axis numbers.
pub type Axes = SmallVec<[u8; 4]>;
/// What goes from one iteration of a nest to the next.
pub type Carry = SmallVec<[Val; 2]>;

/// How an op is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Has no operands.
    Leaf,
    /// Moves elements: pulled, and free.
    View,
    /// Computes an element at any index.
    Pull,
    /// Writes a buffer by loops of its own.
    Push,
    /// Is computed by a routine of the host, from buffers to buffers.
    Routine,
}

/// What one element costs, apart from its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Cost {
    /// May be computed again by each reader.
    Cheap,
    /// An expanded transcendental: worth keeping when there are several readers. A view that asks where it is: worth
    /// a copy when its reader repeats it.
    Dear,
    /// Contains a loop.
    Loop,
}

/// Where pulled operands come from: a pass that substitutes, or plain loads.
pub trait Pull {
    /// The element of `v` at `index`.
    fn pull(&mut self, v: Value, index: &[Val]) -> Val;
    fn type_of(&self, v: Value) -> &Type;
    fn loops(&mut self) -> &mut LoopBuilder;
    /// The element of a leaf: a load or a run-time scalar.
    fn leaf(&mut self, input: &Input, index: &[Val]) -> Val;

    /// `combine` over `extents`: `body` gives the element at an index of the reduced space, and the
    /// dtype of the elements is the register type of `init`. `depth` is how many of the open loops the
    /// elements may depend on. The order of combination is the implementor's, a function of the
    /// extents and the type alone.
    fn reduce(
        &mut self,
        combine: Combine,
        extents: &[usize],
        init: Val,
        depth: usize,
        body: &mut dyn FnMut(&mut dyn Pull, &[Val]) -> Val,
    ) -> Val;
}

/// One loop nest of a push op.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nest {
    /// Nests of a lower stage run before those of a higher one; those of one stage in any order.
    pub stage: u8,
    pub extents: Shape,
    /// Axes along which iterations must run in order, on one thread.
    pub ordered: SmallVec<[bool; 4]>,
    /// The ordered axis along which each iteration hands values to the next; see [`Primitive::start`].
    pub carries: Option<u8>,
}

impl Nest {
    pub fn free(stage: u8, extents: &Shape) -> Nest {
        let ordered = SmallVec::from_elem(false, extents.rank());
        Nest { stage, extents: extents.clone(), ordered, carries: None }
    }

    /// The only nest of an op, which hands values on along `axis`.
    pub fn carrying(extents: &Shape, axis: u8) -> Nest {
        let ordered = (0..extents.rank() as u8).map(|a| a == axis).collect();
        Nest { stage: 0, extents: extents.clone(), ordered, carries: Some(axis) }
    }
}

/// What one iteration of a nest writes.
pub struct Write {
    pub index: Index,
    pub value: Val,
    /// `None`: the value is stored; otherwise it is combined with what is there.
    pub combine: Option<Combine>,
    /// What the next iteration along the axis that carries finds; the combination, if it is one with something
    /// that does not depend on what was found, and may be regrouped.
    pub carried: SmallVec<[(Val, Option<Combine>); 2]>,
}

impl Write {
    pub fn put(index: Index, value: Val, combine: Option<Combine>) -> Write {
        Write { index, value, combine, carried: SmallVec::new() }
    }
}

/// A primitive. The methods for other kinds than its own keep their defaults.
pub trait Primitive {
    const KIND: Kind;

    /// The primitive whose text begins with `name`, its attributes read from `c`; `None` when the name is
    /// another's. Reads back what [`fmt::Display`] prints.
    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>>
    where
        Self: Sized;

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError>;

    /// Gradients of the operands `x` given those of the results; `y` are the results.
    fn vjp(&self, b: &mut dyn Build, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Grads;

    /// The element of result `port` at `index`.
    fn pull(&self, p: &mut dyn Pull, node: &Node, port: u8, index: &[Val]) -> Val {
        let _ = (p, node, port, index);
        unreachable!("not a pull op")
    }

    /// The loop nests that write the result of a push op.
    fn nests(&self, node: &Node, types: &dyn Fn(Value) -> Type) -> Vec<Nest> {
        let _ = (node, types);
        unreachable!("not a push op")
    }

    /// What the first iteration along the axis that carries finds.
    fn start(&self, p: &mut dyn Pull, node: &Node) -> Carry {
        let _ = (p, node);
        Carry::new()
    }

    /// Iteration `index` of nest `nest`, which found `carried`.
    fn write(&self, p: &mut dyn Pull, node: &Node, nest: usize, index: &[Val], carried: &[Val]) -> Write {
        let _ = (p, node, nest, index, carried);
        unreachable!("not a push op")
    }

    fn cost(&self) -> Cost {
        Cost::Cheap
    }

    /// A simpler value for this op over `x`, which are values of `g`, and the name of the rule that says
    /// so. Rules go one way, and never to more work.
    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        let _ = (g, x);
        None
    }

    /// For an op that is one loop with one accumulator: the combination and the reduced extents, as
    /// [`Pull::reduce`] will be asked for them.
    fn reduction(&self, x: &[&Type]) -> Option<(Combine, SmallVec<[usize; 4]>)> {
        let _ = x;
        None
    }

    /// For a sum of products over common axes: which axes those are. A host routine may compute it.
    fn product(&self) -> Option<&Contract> {
        None
    }

    /// For a push op: the operand that its nests of stage 0 copy, element by element, and nothing else. If
    /// nobody else needs that operand, the result may take over its buffer and those nests need not run.
    fn takes_over(&self) -> Option<usize> {
        None
    }

    /// For a view of a strided buffer that is itself one: its strides and its offset in elements.
    fn restride(&self, x: &Shape, strides: &Strides, y: &Shape) -> Option<(Strides, i64)> {
        let _ = (x, strides, y);
        None
    }

    /// What computes an op of the kind that a host's routine computes.
    fn routine(&self, x: &[&Type]) -> Option<Routine> {
        let _ = x;
        None
    }

    /// For an op that is a graph over its operands: that graph. It takes the place of the node before rules, fusion
    /// or lowering see it.
    fn body(&self) -> Option<&Body> {
        None
    }
}

macro_rules! primitives {
    ($($name:ident($ty:ty),)*) => {
        /// A primitive with its attributes.
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        pub enum Op { $($name($ty),)* }

        impl Op {
            /// The op whose text begins with `name`; see [`Primitive::parse`].
            pub fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Op>> {
                $(if let Some(op) = <$ty as Primitive>::parse(name, c)? {
                    return Ok(Some(Op::$name(op)));
                })*
                Ok(None)
            }
            /// The names of all primitives.
            pub const PRIMITIVES: &[&str] = &[$(stringify!($name)),*];
            /// The name of the primitive, without its attributes.
            pub fn primitive(&self) -> &'static str {
                match self { $(Op::$name(_) => stringify!($name),)* }
            }
            pub fn kind(&self) -> Kind {
                match self { $(Op::$name(_) => <$ty as Primitive>::KIND,)* }
            }
            pub fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
                match self { $(Op::$name(op) => op.infer(x),)* }
            }
            pub fn vjp(&self, b: &mut dyn Build, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Grads {
                match self { $(Op::$name(op) => op.vjp(b, x, y, dy),)* }
            }
            pub fn pull(&self, p: &mut dyn Pull, node: &Node, port: u8, index: &[Val]) -> Val {
                match self { $(Op::$name(op) => op.pull(p, node, port, index),)* }
            }
            pub fn nests(&self, node: &Node, types: &dyn Fn(Value) -> Type) -> Vec<Nest> {
                match self { $(Op::$name(op) => op.nests(node, types),)* }
            }
            pub fn start(&self, p: &mut dyn Pull, node: &Node) -> Carry {
                match self { $(Op::$name(op) => op.start(p, node),)* }
            }
            pub fn write(&self, p: &mut dyn Pull, node: &Node, nest: usize, index: &[Val], carried: &[Val]) -> Write {
                match self { $(Op::$name(op) => op.write(p, node, nest, index, carried),)* }
            }
            pub fn cost(&self) -> Cost {
                match self { $(Op::$name(op) => op.cost(),)* }
            }
            pub fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
                match self { $(Op::$name(op) => op.simplify(g, x),)* }
            }
            pub fn reduction(&self, x: &[&Type]) -> Option<(Combine, SmallVec<[usize; 4]>)> {
                match self { $(Op::$name(op) => op.reduction(x),)* }
            }
            pub fn product(&self) -> Option<&Contract> {
                match self { $(Op::$name(op) => op.product(),)* }
            }
            pub fn takes_over(&self) -> Option<usize> {
                match self { $(Op::$name(op) => op.takes_over(),)* }
            }
            pub fn restride(&self, x: &Shape, strides: &Strides, y: &Shape) -> Option<(Strides, i64)> {
                match self { $(Op::$name(op) => op.restride(x, strides, y),)* }
            }
            pub fn routine(&self, x: &[&Type]) -> Option<Routine> {
                match self { $(Op::$name(op) => op.routine(x),)* }
            }
            pub fn body(&self) -> Option<&Body> {
                match self { $(Op::$name(op) => op.body(),)* }
            }
        }

        impl fmt::Display for Op {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Op::$name(op) => op.fmt(f),)* }
            }
        }
    };
}

primitives! {
    Input(Input),
    Constant(Constant),
    Iota(Iota),
    Reshape(Reshape),
    Permute(Permute),
    Expand(Expand),
    Slice(Slice),
    Pad(Pad),
    Window(Window),
    Fold(Fold),
    Map(Scalar),
    Cast(Cast),
    Bitcast(Bitcast),
    Reduce(Reduce),
    ArgReduce(ArgReduce),
    Contract(Contract),
    Gather(Gather),
    Concat(Concat),
    Scatter(Scatter),
    Update(Update),
    Scan(Scan),
    Sort(Sort),
    Factor(Factor),
    TriangularSolve(TriangularSolve),
    Solve(Solve),
    Fft(Fft),
    Detach(Detach),
    Fence(Fence),
    Call(Call),
}

/// `Err` unless there are `expected` operands.
fn arity(op: &str, x: &[&Type], expected: usize) -> Result<(), OpError> {
    if x.len() == expected {
        return Ok(());
    }
    Err(OpError::Arity { op: op.into(), expected, got: x.len() })
}

fn single(ty: Type) -> Result<Outputs, OpError> {
    Ok(SmallVec::from_buf([ty]))
}

/// The axes of a rank that are not in `axes`.
pub fn other_axes(rank: usize, axes: &[u8]) -> Axes {
    (0..rank as u8).filter(|a| !axes.contains(a)).collect()
}

/// `0,2` for attribute lists.
fn write_list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = T>,
) -> fmt::Result {
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            f.write_str(",")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}
