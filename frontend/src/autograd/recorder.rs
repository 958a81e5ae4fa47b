//! Gradient rules, run on recorded values.

use crate::error::Result;
use crate::gradient::GradNode;
use crate::record::{Recorded, RecordedNode, sum_to_shape};
use rustorch_ir::build::Build;
use rustorch_ir::graph::Type;
use rustorch_ir::op::Op;
use rustorch_ir::{NodeId, OpError, Value};
use slotmap::SlotMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// Recorded values behind the names that gradient rules use.
#[derive(Default)]
struct Recorder {
    values: SlotMap<NodeId, SmallVec<[Recorded; 1]>>,
}

impl Recorder {
    fn name(&mut self, value: Recorded) -> Value {
        Value { node: self.values.insert(SmallVec::from_buf([value])), port: 0 }
    }

    fn get(&self, v: Value) -> &Recorded {
        &self.values[v.node][v.port as usize]
    }
}

impl Build for Recorder {
    fn add(&mut self, op: Op, inputs: &[Value]) -> std::result::Result<NodeId, OpError> {
        let results = {
            let operands: SmallVec<[&Recorded; 3]> = inputs.iter().map(|&v| self.get(v)).collect();
            Recorded::apply_all(op, &operands).map_err(|e| OpError::Attribute {
                op: "gradient".into(),
                why: e.to_string(),
                shape: operands.first().map(|r| r.shape().clone()).unwrap_or_default(),
            })?
        };
        Ok(self.values.insert(results))
    }

    fn type_of(&self, v: Value) -> &Type {
        self.get(v).ty()
    }
}

/// The gradients of the operands `inputs` of `recorded`, whose gradient node is `node`.
pub(super) fn vjp(
    node: &Arc<GradNode>,
    recorded: &Arc<RecordedNode>,
    inputs: &[Recorded],
    grads: &[Option<Recorded>],
) -> Result<Vec<Option<Recorded>>> {
    let mut recorder = Recorder::default();
    let x: SmallVec<[Value; 3]> = inputs.iter().map(|r| recorder.name(r.clone())).collect();
    let ports = recorded.types().len();
    let y: SmallVec<[Value; 1]> = (0..ports as u8)
        .map(|port| {
            let value = Recorded::result(recorded, port);
            let tracked = if value.dtype().is_float() { value.with_grad(node.clone(), port) } else { value };
            recorder.name(tracked)
        })
        .collect();
    let dy: SmallVec<[Option<Value>; 1]> =
        (0..ports).map(|port| grads.get(port).cloned().flatten().map(|g| recorder.name(g))).collect();
    let found = recorded.op().vjp(&mut recorder, &x, &y, &dy);
    // Operands of a map broadcast, and a gradient that is the same everywhere may come smaller than the result.
    let shape = recorded.types()[0].shape.clone();
    let own = |(v, input): (Option<Value>, &Recorded)| {
        let Some(grad) = v.filter(|_| input.tracks()).map(|v| recorder.get(v)) else { return Ok(None) };
        if grad.shape() == input.shape() {
            return Ok(Some(grad.clone()));
        }
        sum_to_shape(&grad.broadcast_to(&shape)?, input.shape()).map(Some)
    };
    found.into_iter().zip(inputs).map(own).collect()
}
