//! Recurrent networks: one step of each kind, and steps over a sequence in layers and directions.

use super::drawn::dropped;
use super::operands::not_implemented;
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::record::{Recorded, stack_axes};
use crate::registry::{Args, Ret};
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Literal, Shape};
use std::sync::Arc;

/// Steps that are taken apart by one gradient function, whose results are counted in eight bits.
const APART: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Tanh,
    Relu,
    Gru,
    Lstm,
}

/// What one step leaves behind: the hidden state, and the cell state of an LSTM.
type State = (Recorded, Option<Recorded>);

impl Cell {
    /// Gates, each of the hidden size.
    fn gates(self) -> usize {
        match self {
            Cell::Tanh | Cell::Relu => 1,
            Cell::Gru => 3,
            Cell::Lstm => 4,
        }
    }

    /// The state after a step whose gates get `x` from the input and `h` from the hidden state before.
    fn step(self, x: &Recorded, h: &Recorded, before: &State) -> Result<State> {
        match self {
            Cell::Tanh => Ok((x.add(h)?.map1(Scalar::Tanh)?, None)),
            Cell::Relu => {
                let new =
                    Composition { name: "relu_state", attributes: &[] }.record(&[x, h], |operands| {
                        let sum = operands[0].add(&operands[1])?;
                        sum.map2(Scalar::Max, &sum.literal(0.0))
                    })?;
                Ok((new, None))
            }
            Cell::Gru => {
                let new = Composition { name: "gru_state", attributes: &[] }.record(
                    &[x, h, &before.0],
                    |operands| {
                        let (x, h, old) = (&operands[0], &operands[1], &operands[2]);
                        let reset = gate(x, 0, 3)?.add(&gate(h, 0, 3)?)?.map1(Scalar::Sigmoid)?;
                        let keep = gate(x, 1, 3)?.add(&gate(h, 1, 3)?)?.map1(Scalar::Sigmoid)?;
                        let new = gate(x, 2, 3)?.add(&reset.mul(&gate(h, 2, 3)?)?)?.map1(Scalar::Tanh)?;
                        old.sub(&new)?.mul(&keep)?.add(&new)
                    },
                )?;
                Ok((new, None))
            }
            Cell::Lstm => {
                let Some(old) = &before.1 else { return runtime("internal error: an LSTM has a cell state") };
                let gates = x.add(h)?;
                let cell = Composition { name: "lstm_cell_state", attributes: &[] }.record(
                    &[&gates, old],
                    |operands| {
                        let [input, forget] = [0, 1].map(|n| gate(&operands[0], n, 4)?.map1(Scalar::Sigmoid));
                        let new = gate(&operands[0], 2, 4)?.map1(Scalar::Tanh)?;
                        forget?.mul(&operands[1])?.add(&input?.mul(&new)?)
                    },
                )?;
                let hidden = Composition { name: "lstm_hidden_state", attributes: &[] }.record(
                    &[&gates, &cell],
                    |operands| {
                        gate(&operands[0], 3, 4)?.map1(Scalar::Sigmoid)?.mul(&operands[1].map1(Scalar::Tanh)?)
                    },
                )?;
                Ok((hidden, Some(cell)))
            }
        }
    }
}

/// Gate `number` of `count`, which lie side by side in rows.
fn gate(all: &Recorded, number: usize, count: usize) -> Result<Recorded> {
    let (rows, width) = (all.shape()[0].get(), all.shape()[1].get() / count);
    all.reshape(&Shape::from_sizes(&[rows, count, width]))?.narrow(1, number, 1)?.squeeze(1)
}

/// `x @ weight.T + bias` of rows.
fn affine(x: &Recorded, weight: &Recorded, bias: Option<&Recorded>) -> Result<Recorded> {
    let product = x.contract(weight, (&[], &[]), (&[1], &[1]))?;
    bias.map_or(Ok(product.clone()), |bias| product.add(bias))
}

/// Weights of one layer in one direction.
struct Weights {
    input: Recorded,
    hidden: Recorded,
    biases: Option<(Recorded, Recorded)>,
    projection: Option<Recorded>,
}

impl Weights {
    /// What the input gives to the gates.
    fn of_input(&self, x: &Recorded) -> Result<Recorded> {
        affine(x, &self.input, self.biases.as_ref().map(|b| &b.0))
    }

    fn step(&self, cell: Cell, x: &Recorded, before: &State) -> Result<State> {
        let h = affine(&before.0, &self.hidden, self.biases.as_ref().map(|b| &b.1))?;
        let (hidden, state) = cell.step(x, &h, before)?;
        let hidden = match &self.projection {
            Some(projection) => affine(&hidden, projection, None)?,
            None => hidden,
        };
        Ok((hidden, state))
    }
}

/// The elements of axis 0, each without it. Their gradients are put together at once, where those of slices would be
/// added one by one, each as large as the whole.
fn steps(x: &Recorded) -> Result<Vec<Recorded>> {
    let count = x.shape()[0].get();
    if count > APART {
        let chunks = (0..count).step_by(APART).map(|start| x.narrow(0, start, APART.min(count - start)));
        let chunks = chunks.map(|chunk| steps(&chunk?)).collect::<Result<Vec<_>>>()?;
        return Ok(chunks.into_iter().flatten().collect());
    }
    let plain = x.detach();
    let parts = (0..count)
        .map(|i| Tensor::from_value(plain.narrow(0, i, 1)?.squeeze(0)?))
        .collect::<Result<Vec<Tensor>>>()?;
    if crate::grad_mode::is_grad_enabled() && x.tracks() {
        let shape = Shape::from_sizes(&x.shape().iter().skip(1).map(|d| d.get()).collect::<Vec<_>>());
        let dtype = x.dtype();
        let together = move |grads: &[Option<Tensor>]| {
            let zeros = Recorded::full(Literal::from_f64(dtype, 0.0), &shape)?;
            let grads = grads
                .iter()
                .map(|grad| grad.as_ref().map_or(Ok(zeros.clone()), Tensor::read))
                .collect::<Result<Vec<Recorded>>>()?;
            Ok(vec![Some(Tensor::from_value(stack_axes(&grads.iter().collect::<Vec<_>>(), 0)?)?)])
        };
        Tensor::attach_backward_to(&parts, std::slice::from_ref(x), Arc::new(together), "UnbindBackward0")?;
    }
    parts.iter().map(Tensor::read).collect()
}

/// The hidden states of all steps, (T, B, H), and the last state.
fn layer(
    cell: Cell,
    x: &Recorded,
    weights: &Weights,
    first: State,
    backwards: bool,
) -> Result<(Recorded, State)> {
    let (count, batch, width) = (x.shape()[0].get(), x.shape()[1].get(), x.shape()[2].get());
    let gates = weights.of_input(&x.reshape(&Shape::from_sizes(&[count * batch, width]))?)?;
    let width = gates.shape()[1].get();
    let mut inputs = steps(&gates.reshape(&Shape::from_sizes(&[count, batch, width]))?)?;
    if backwards {
        inputs.reverse();
    }
    let mut state = first;
    let mut hidden = Vec::with_capacity(count);
    for x in &inputs {
        state = weights.step(cell, x, &state)?;
        hidden.push(state.0.clone());
    }
    if backwards {
        hidden.reverse();
    }
    Ok((stack_axes(&hidden.iter().collect::<Vec<_>>(), 0)?, state))
}

/// The parameters in the order of layers, of directions in a layer, and as [`Weights`] has them.
fn grouped(a: &Args<'_>, list: &[Tensor], biased: bool, projected: bool) -> Result<Vec<Weights>> {
    let each = 2 + 2 * usize::from(biased) + usize::from(projected);
    if !list.len().is_multiple_of(each) {
        return runtime("got an incorrect number of RNN parameters");
    }
    let read = |t: &Tensor| {
        a.save(t)?;
        t.read()
    };
    list.chunks(each)
        .map(|part| {
            Ok(Weights {
                input: read(&part[0])?,
                hidden: read(&part[1])?,
                biases: if biased { Some((read(&part[2])?, read(&part[3])?)) } else { None },
                projection: if projected { Some(read(&part[each - 1])?) } else { None },
            })
        })
        .collect()
}

/// A network over sequences: input, states, parameters, biased, layers, dropout, training, both directions, batch first.
fn network(a: &Args<'_>, cell: Cell) -> Result<Ret> {
    let (input, list, biased) = (a.tensor(0), a.tensors(2), a.bool(3));
    let (layers, p, training, both, batch_first) = (a.int(4), a.float(5), a.bool(6), a.bool(7), a.bool(8));
    let states: &[Tensor] = if cell == Cell::Lstm { a.tensors(1) } else { std::slice::from_ref(a.tensor(1)) };
    if cell == Cell::Lstm && states.len() != 2 {
        return runtime("lstm expects two hidden states");
    }
    let places = layers * if both { 2 } else { 1 };
    if cell != Cell::Lstm && states[0].sizes().first().is_none_or(|d| d.get() as i64 != places) {
        return runtime("Expected more hidden states in stacked_rnn");
    }
    for state in states.iter().chain([input]) {
        if state.dim() < 3 {
            wrap_axis(2, state.dim())?;
        }
        if state.dim() > 3 {
            return runtime(format!("input and states must have 3 dimensions, got {}", state.dim()));
        }
    }
    let projected = cell == Cell::Lstm && states[0].sizes()[2] != states[1].sizes()[2];
    let weights = grouped(a, list, biased, projected)?;
    let directions = 1 + usize::from(both);
    let layers = usize::try_from(layers).unwrap_or(0);
    if weights.len() < layers * directions {
        return runtime(format!(
            "expected parameters of {} layers and directions, but got those of {}",
            layers * directions,
            weights.len()
        ));
    }
    a.save(input)?;
    let x = input.read()?;
    let mut x = if batch_first { x.transpose(0, 1)? } else { x };
    if x.shape()[0].get() == 0 {
        return runtime("Expected sequence length to be larger than 0 in RNN");
    }
    check_states(&x, states, layers * directions, &weights)?;
    let states = states.iter().map(Tensor::read).collect::<Result<Vec<Recorded>>>()?;
    let mut last: Vec<State> = Vec::with_capacity(layers * directions);
    for number in 0..layers {
        let mut sides = Vec::with_capacity(directions);
        for direction in 0..directions {
            let place = number * directions + direction;
            let state = |s: &Recorded| s.narrow(0, place, 1)?.squeeze(0);
            let first = (state(&states[0])?, states.get(1).map(state).transpose()?);
            let (hidden, state) = layer(cell, &x, &weights[place], first, direction == 1)?;
            sides.push(hidden);
            last.push(state);
        }
        x = match sides.as_slice() {
            [one] => one.clone(),
            both => Recorded::concat(&both.iter().collect::<Vec<_>>(), 2)?,
        };
        if p != 0.0 && training && number + 1 < layers {
            x = dropped(&x, p)?;
        }
    }
    let finish = |values: Vec<&Recorded>| Tensor::from_value(stack_axes(&values, 0)?);
    let mut out = vec![if batch_first {
        let whole = Tensor::from_value(x)?;
        super::view_ops::transpose(&whole, 0, 1)?
    } else {
        Tensor::from_value(x)?
    }];
    out.push(finish(last.iter().map(|s| &s.0).collect())?);
    if cell == Cell::Lstm {
        out.push(finish(last.iter().filter_map(|s| s.1.as_ref()).collect())?);
    }
    Ok(Ret::Tuple(out))
}

/// That states and weights fit the input (T, B, I).
fn check_states(x: &Recorded, states: &[Tensor], places: usize, weights: &[Weights]) -> Result<()> {
    if !x.dtype().is_float() {
        return not_implemented("addmm_impl_cpu_", x.dtype());
    }
    for state in states {
        let sizes = state.sizes();
        if sizes[0].get() < places || sizes[1] != x.shape()[1] {
            let wanted = Shape::from_sizes(&[places, x.shape()[1].get(), sizes[2].get()]);
            let message = format!("Expected hidden size {wanted}, got {sizes}");
            return Err(Error::shapes(message, &wanted, &sizes));
        }
        if state.dtype() != x.dtype() {
            return Err(different(x.dtype(), state.dtype()));
        }
    }
    match weights.iter().find(|w| w.input.dtype() != x.dtype()) {
        Some(w) => Err(different(x.dtype(), w.input.dtype())),
        None => Ok(()),
    }
}

fn different(one: DType, other: DType) -> Error {
    let (one, other) = (crate::promote::type_name(one), crate::promote::type_name(other));
    Error::DType(format!("expected m1 and m2 to have the same dtype, but got: {one} != {other}"))
}

/// One step: input, states, and weights from place 2 on.
fn single(a: &Args<'_>, cell: Cell) -> Result<State> {
    let states: &[Tensor] = if cell == Cell::Lstm { a.tensors(1) } else { std::slice::from_ref(a.tensor(1)) };
    if cell == Cell::Lstm && states.len() != 2 {
        return runtime("lstm_cell expects two hidden states");
    }
    let (input, w_input, w_hidden) = (a.tensor(0), a.tensor(2), a.tensor(3));
    if input.dim() != 2 {
        return runtime(format!("Expected 2D input (batch x feature), but got {}D input", input.dim()));
    }
    let extent = |tensor: &Tensor, axis: usize| match tensor.sizes().get(axis) {
        Some(d) => Ok(d.get()),
        None => wrap_axis(1, tensor.dim().min(1)).map(|_| 0),
    };
    let hidden = extent(w_hidden, 1)?;
    let first_extents = || {
        let (gates, wanted) = (cell.gates(), cell.gates() * hidden);
        for (name, tensor) in [("weight_ih", w_input), ("weight_hh", w_hidden)] {
            let got = extent(tensor, 0)?;
            if got != wanted {
                return runtime(format!(
                    "{name} first dim must be {gates} * hidden_size = {wanted}, but got {got}"
                ));
            }
            if tensor.dim() > 2 {
                return runtime(format!("{name} must have 2 dimensions, got {}", tensor.dim()));
            }
        }
        Ok(())
    };
    // torch looks at them first where no routine does the whole step, else last.
    if matches!(cell, Cell::Tanh | Cell::Relu) {
        first_extents()?;
    }
    let width = extent(w_input, 1)?;
    let (rows, given) = (input.sizes()[0].get(), input.sizes()[1].get());
    if given != width {
        return runtime(format!("input has inconsistent input_size: got {given} expected {width}"));
    }
    for (number, state) in states.iter().enumerate() {
        let (sizes, expected) = (state.sizes(), hidden);
        if sizes.rank() != 2 || sizes[0].get() != rows {
            let got = sizes.first().map_or(0, |d| d.get());
            return runtime(format!("Input batch size {rows} doesn't match hidden{number} batch size {got}"));
        }
        if sizes[1].get() != expected {
            return runtime(format!(
                "hidden{number} has inconsistent hidden_size: got {}, expected {expected}",
                sizes[1].get()
            ));
        }
    }
    first_extents()?;
    for tensor in states.iter().chain([w_input, w_hidden]) {
        if tensor.dtype() != input.dtype() {
            return Err(different(input.dtype(), tensor.dtype()));
        }
    }
    let x = input.read()?;
    if !x.dtype().is_float() {
        return not_implemented("addmm_impl_cpu_", x.dtype());
    }
    for tensor in states.iter().chain([input, w_input, w_hidden]) {
        a.save(tensor)?;
    }
    let bias = |i: usize| a.opt_tensor(i).map(Tensor::read).transpose();
    let of_input = affine(&x, &w_input.read()?, bias(4)?.as_ref())?;
    let before = (states[0].read()?, states.get(1).map(Tensor::read).transpose()?);
    let of_hidden = affine(&before.0, &w_hidden.read()?, bias(5)?.as_ref())?;
    cell.step(&of_input, &of_hidden, &before)
}

fn single_of_one(a: &Args<'_>, cell: Cell) -> Result<Tensor> {
    let hidden = single(a, cell)?.0;
    // A GRU's state is mixed with the old one, and lies as that did.
    if cell == Cell::Gru { super::layout::finish(hidden, &[a.tensor(1)]) } else { Tensor::from_value(hidden) }
}

fn lstm_cell(a: &Args<'_>) -> Result<(Tensor, Tensor)> {
    match single(a, Cell::Lstm)? {
        (hidden, Some(state)) => Ok((Tensor::from_value(hidden)?, Tensor::from_value(state)?)),
        _ => runtime("internal error: an LSTM has a cell state"),
    }
}

crate::entries! {
    "lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> (Tensor, Tensor)"
        [FUNCTION] grad "ThnnFusedLstmCellBackward0"
        "One step of an LSTM: input (B, I), hidden and cell state (B, H), weights (4 H, I) and (4 H, H) of the gates input, \
         forget, cell, output; the states after it." => |a| lstm_cell(a);
    "gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor" [FUNCTION]
        grad "AddBackward0"
        "One step of a GRU: input (B, I), state (B, H), weights (3 H, I) and (3 H, H) of the gates reset, update, new; \
         the state after it." => |a| single_of_one(a, Cell::Gru);
    "rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor"
        [FUNCTION] grad "TanhBackward0"
        "One step: `tanh(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh)`." => |a| single_of_one(a, Cell::Tanh);
    "rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor"
        [FUNCTION] grad "ReluBackward0"
        "One step: `relu(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh)`." => |a| single_of_one(a, Cell::Relu);
    "lstm(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)"
        [FUNCTION] grad "StackBackward0"
        "An LSTM over sequences (T, B, I), or (B, T, I) with `batch_first`: the hidden states of the last layer, and the last \
         hidden and cell states of all layers and directions. `params` are, for each of them, `w_ih`, `w_hh`, the two \
         biases if there are any, and the projection if the states in `hx` differ in their last extent."
        => |a| network(a, Cell::Lstm);
    "gru(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)"
        [FUNCTION] grad "StackBackward0"
        "As `lstm`, of steps of `gru_cell`." => |a| network(a, Cell::Gru);
    "rnn_tanh(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)"
        [FUNCTION] grad "StackBackward0"
        "As `lstm`, of steps of `rnn_tanh_cell`." => |a| network(a, Cell::Tanh);
    "rnn_relu(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)"
        [FUNCTION] grad "StackBackward0"
        "As `lstm`, of steps of `rnn_relu_cell`." => |a| network(a, Cell::Relu);
}
