//! A leaf whose value is given at run time.

use super::*;
use crate::dtype::DType;

/// What stands behind an [`Input`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// A buffer read with these strides, in elements; the caller points to element 0.
    Buffer(Strides),
    /// A run-time scalar: 0-d.
    Scalar,
}

/// Slot `slot` of the signature: buffers and scalars are numbered apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Input {
    pub slot: u32,
    pub dtype: DType,
    pub shape: Shape,
    pub source: Source,
}

impl Primitive for Input {
    const KIND: Kind = Kind::Leaf;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if !matches!(name, "input" | "scalar") {
            return Ok(None);
        }
        c.symbol("<")?;
        let slot = c.integer("a slot")?;
        c.symbol(",")?;
        let dtype = c.dtype()?;
        let (mut shape, mut source) = (Shape::scalar(), Source::Scalar);
        if name == "input" {
            c.symbol(",")?;
            shape = c.shape()?;
            c.symbol(",")?;
            c.symbol("strides=[")?;
            source = Source::Buffer(c.numbers()?);
            c.symbol("]")?;
        }
        c.symbol(">")?;
        Ok(Some(Input { slot, dtype, shape, source }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("input", x, 0)?;
        match &self.source {
            Source::Buffer(strides) if strides.len() != self.shape.rank() => {
                Err(OpError::attribute("input", "strides and shape differ in rank", &self.shape))
            }
            Source::Scalar if self.shape.rank() != 0 => {
                Err(OpError::attribute("input", "a scalar is 0-d", &self.shape))
            }
            _ => single(Type::new(self.dtype, self.shape.clone())),
        }
    }

    fn vjp(&self, _: &mut dyn Build, _: &[Value], _: &[Value], _: &[Option<Value>]) -> Grads {
        Grads::new()
    }

    fn pull(&self, p: &mut dyn Pull, _: &Node, _: u8, index: &[Val]) -> Val {
        p.leaf(self, index)
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Buffer(strides) => {
                write!(f, "input<{}, {}, {}, strides=[", self.slot, self.dtype, self.shape)?;
                write_list(f, strides)?;
                f.write_str("]>")
            }
            Source::Scalar => write!(f, "scalar<{}, {}>", self.slot, self.dtype),
        }
    }
}
