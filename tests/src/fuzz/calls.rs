//! Random calls: a small random graph as the body, whose leaves are operands.

use super::choose::Content;
use super::generate::Generator;
use rustorch_ir::build::Build;
use rustorch_ir::op::{Body, Call, Input, Op, Source};
use rustorch_ir::{Type, Value};

impl Generator {
    /// A call whose body reads `x` first.
    pub(super) fn call(&mut self, x: Value) -> Option<Value> {
        let mut body = Generator::new(self.rng.below(u64::MAX), self.options);
        body.operands = Some(Vec::new());
        let mut last = body.operand(self.graph.ty(x), Content::Plain);
        for _ in 0..1 + self.rng.below(3) {
            let kind = *self.rng.pick(Op::PRIMITIVES);
            last = body.grow(kind, Some(last)).unwrap_or(last);
        }
        body.graph.outputs = vec![last];
        if self.rng.chance(30) {
            let other = body.any(|_| true);
            body.graph.outputs.extend(other);
        }
        let leaves = body.operands.take()?;
        let mut operands = vec![x];
        operands.extend(leaves[1..].iter().map(|(ty, content)| self.leaf(ty, *content)));
        let types: Vec<Type> = leaves.into_iter().map(|(ty, _)| ty).collect();
        let body = Body::new("random", &types, body.graph).expect("its leaves are operands");
        self.add(Op::Call(Call { body }), &operands)
    }

    /// Another operand of the body.
    pub(super) fn operand(&mut self, ty: &Type, content: Content) -> Value {
        let operands = self.operands.get_or_insert_default();
        operands.push((ty.clone(), content));
        let source = Source::Buffer(ty.shape.contiguous_strides());
        let slot = operands.len() as u32 - 1;
        let input = Input { slot, dtype: ty.dtype, shape: ty.shape.clone(), source };
        let b: &mut dyn Build = &mut self.graph;
        b.one(Op::Input(input), &[])
    }
}
