//! Sums of products by subscripts.

use super::operands::not_implemented;
use crate::error::{Error, Result, runtime};
use crate::promote::to_sum;
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use rustorch_ir::op::Span;
use rustorch_ir::{DType, Shape};

/// A letter, or an axis that an ellipsis stands for, counted from the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Label {
    Broadcast(usize),
    Letter(char),
}

/// The subscripts of one operand or of the result, before ellipses are spelled out.
enum Term {
    Letter(char),
    Ellipsis,
}

fn terms(text: &str, from: usize, whose: &str) -> Result<Vec<Term>> {
    let mut out = Vec::new();
    let mut seen = false;
    let mut rest = text.char_indices();
    while let Some((at, c)) = rest.next() {
        match c {
            ' ' => {}
            '.' => {
                if seen || !text[at..].starts_with("...") {
                    return runtime(if seen {
                        format!("einsum(): found '.' {whose} for which an ellipsis was already found")
                    } else {
                        format!("einsum(): found '.' {whose} that is not part of any ellipsis")
                    });
                }
                rest.nth(1);
                seen = true;
                out.push(Term::Ellipsis);
            }
            c if c.is_ascii_alphabetic() => out.push(Term::Letter(c)),
            _ => {
                return runtime(format!(
                    "einsum(): invalid subscript given at index {} in the equation string, subscripts must be in [a-zA-Z]",
                    from + at
                ));
            }
        }
    }
    Ok(out)
}

/// An operand with one distinct label for each axis.
struct Labelled {
    value: Recorded,
    labels: Vec<Label>,
}

/// The diagonal of axes `i < j`, in place of `i`.
fn diagonal(x: &Recorded, i: usize, j: usize) -> Result<Recorded> {
    let rank = x.rank();
    let n = x.shape()[i].get();
    let mut order: Vec<usize> = (0..rank).filter(|&a| a != i && a != j).collect();
    order.extend([i, j]);
    let paired = x.permute(&order)?;
    let mut shape: Shape = paired.shape()[..rank - 2].iter().copied().collect();
    shape.push((n * n).into());
    let mut spans: Vec<Span> = shape.iter().map(|d| Span::all(d.get())).collect();
    spans[rank - 2] = Span { start: 0, step: n as i64 + 1, size: n as u64 };
    let taken = paired.reshape(&shape)?.slice(&spans)?;
    let mut back: Vec<usize> = (0..rank - 2).collect();
    back.insert(i, rank - 2);
    taken.permute(&back)
}

impl Labelled {
    fn new(number: usize, value: Recorded, terms: &[Term]) -> Result<Labelled> {
        let letters = terms.iter().filter(|t| matches!(t, Term::Letter(_))).count();
        let dotted = letters < terms.len();
        let rank = value.rank();
        if letters > rank || (!dotted && letters != rank) {
            let more = if dotted { "more than" } else { "not match" };
            return runtime(if dotted {
                format!(
                    "einsum(): the number of subscripts in the equation ({letters}) is {more} the number of dimensions \
                     ({rank}) for operand {number}"
                )
            } else {
                format!(
                    "einsum(): the number of subscripts in the equation ({letters}) does {more} the number of \
                     dimensions ({rank}) for operand {number} and no ellipsis was given"
                )
            });
        }
        let mut all = Vec::new();
        for term in terms {
            match term {
                Term::Letter(c) => all.push(Label::Letter(*c)),
                Term::Ellipsis => all.extend((0..rank - letters).rev().map(Label::Broadcast)),
            }
        }
        let mut labelled = Labelled { value, labels: Vec::new() };
        let mut axis = 0;
        for label in all {
            match labelled.labels.iter().position(|&l| l == label) {
                None => {
                    labelled.labels.push(label);
                    axis += 1;
                }
                Some(first) => {
                    let (p, q) = (labelled.value.shape()[first], labelled.value.shape()[axis]);
                    if p != q {
                        let Label::Letter(c) = label else { continue };
                        return runtime(format!(
                            "einsum(): subscript {c} is repeated for operand {number} but the sizes don't match, {q} \
                             != {p}"
                        ));
                    }
                    labelled.value = diagonal(&labelled.value, first, axis)?;
                }
            }
        }
        Ok(labelled)
    }

    fn axis(&self, label: Label) -> Option<usize> {
        self.labels.iter().position(|&l| l == label)
    }

    fn size(&self, label: Label) -> Option<usize> {
        self.axis(label).map(|axis| self.value.shape()[axis].get())
    }

    /// Without the axes whose labels `keep` refuses: those are summed.
    fn summed(mut self, keep: impl Fn(Label) -> bool) -> Result<Labelled> {
        let axes: Vec<usize> = (0..self.labels.len()).filter(|&i| !keep(self.labels[i])).collect();
        if !axes.is_empty() {
            self.value = self.value.cast(to_sum(self.value.dtype()))?.sum(&axes)?;
            self.labels.retain(|&l| keep(l));
        }
        Ok(self)
    }

    /// Without axes of extent 1 whose label is longer elsewhere: they are broadcast.
    fn squeezed(mut self, sizes: &Sizes) -> Result<Labelled> {
        for axis in (0..self.labels.len()).rev() {
            if self.value.shape()[axis].is_one() && sizes.of(self.labels[axis]) != 1 {
                self.value = self.value.squeeze(axis)?;
                self.labels.remove(axis);
            }
        }
        Ok(self)
    }

    /// The axes in the order of `labels`; those that are missing have extent 1.
    fn aligned(&self, labels: &[Label]) -> Result<Recorded> {
        let present: Vec<usize> = labels.iter().filter_map(|&l| self.axis(l)).collect();
        let value = self.value.permute(&present)?;
        let shape: Shape = labels.iter().map(|&l| self.size(l).unwrap_or(1)).collect();
        value.reshape(&shape)
    }
}

/// The extent of each label over all operands.
struct Sizes(Vec<(Label, usize)>);

impl Sizes {
    fn of(&self, label: Label) -> usize {
        self.0.iter().find(|(l, _)| *l == label).map_or(1, |&(_, n)| n)
    }

    fn of_operands(operands: &[Labelled]) -> Result<Sizes> {
        let mut sizes = Sizes(Vec::new());
        for (number, operand) in operands.iter().enumerate() {
            for (&label, d) in operand.labels.iter().zip(operand.value.shape().iter()) {
                let n = d.get();
                match sizes.0.iter_mut().find(|(l, _)| *l == label) {
                    None => sizes.0.push((label, n)),
                    Some((_, before)) if *before == 1 => *before = n,
                    Some((_, before)) if n == 1 || *before == n => {}
                    Some((_, before)) => return Err(disagreement(label, number, n, *before, operands)),
                }
            }
        }
        Ok(sizes)
    }
}

fn disagreement(label: Label, number: usize, n: usize, before: usize, operands: &[Labelled]) -> Error {
    let message = match label {
        Label::Letter(c) => format!(
            "einsum(): subscript {c} has size {n} for operand {number} which does not broadcast with previously seen \
             size {before}"
        ),
        Label::Broadcast(_) => format!(
            "einsum(): dimension covered by ellipsis in operand {number} has size {n} which does not broadcast with \
             previously seen ellipsis with size {before} for the respective dimension"
        ),
    };
    Error::shapes(message, operands[0].value.shape(), operands[number].value.shape())
}

/// The product of two operands, summed over the labels that `keep` refuses.
fn multiply(x: Labelled, y: Labelled, keep: impl Fn(Label) -> bool) -> Result<Labelled> {
    let x_labels = x.labels.clone();
    let shared = |l: Label| y.axis(l).is_some();
    let x = x.summed(|l| keep(l) || shared(l))?;
    let y_own: Vec<Label> = y.labels.iter().copied().filter(|l| keep(*l) || x_labels.contains(l)).collect();
    let y = y.summed(|l| y_own.contains(&l))?;
    let common = |x: &Labelled, kept: bool| -> Vec<Label> {
        x.labels.iter().copied().filter(|&l| y.axis(l).is_some() && keep(l) == kept).collect()
    };
    let (batch, contracted) = (common(&x, true), common(&x, false));
    let free = |v: &Labelled| -> Vec<Label> {
        v.labels.iter().copied().filter(|l| !batch.contains(l) && !contracted.contains(l)).collect()
    };
    let labels: Vec<Label> = batch.iter().copied().chain(free(&x)).chain(free(&y)).collect();
    if contracted.is_empty() {
        let value = x.aligned(&labels)?.mul(&y.aligned(&labels)?)?;
        return Ok(Labelled { value, labels });
    }
    if x.value.dtype() == DType::Bool {
        return not_implemented("bmm", DType::Bool);
    }
    let at =
        |v: &Labelled, labels: &[Label]| -> Vec<usize> { labels.iter().filter_map(|&l| v.axis(l)).collect() };
    let value = x.value.contract(
        &y.value,
        (&at(&x, &batch), &at(&y, &batch)),
        (&at(&x, &contracted), &at(&y, &contracted)),
    )?;
    Ok(Labelled { value, labels })
}

/// The labels of the result: those given, or all that occur once in order of the alphabet behind the broadcast ones.
fn output(text: Option<(&str, usize)>, inputs: &[Vec<Term>], sizes: &Sizes) -> Result<Vec<Label>> {
    let mut broadcast: Vec<Label> =
        sizes.0.iter().map(|&(l, _)| l).filter(|l| matches!(l, Label::Broadcast(_))).collect();
    broadcast.sort_unstable_by(|a, b| b.cmp(a));
    let Some((text, from)) = text else {
        let mut letters: Vec<char> = inputs
            .iter()
            .flatten()
            .filter_map(|t| if let Term::Letter(c) = t { Some(*c) } else { None })
            .collect();
        letters.sort_unstable();
        let once = letters.iter().filter(|c| letters.iter().filter(|d| d == c).count() == 1);
        return Ok(broadcast.into_iter().chain(once.map(|&c| Label::Letter(c))).collect());
    };
    let mut labels: Vec<Label> = Vec::new();
    for term in terms(text, from, "for the output")? {
        let Term::Letter(c) = term else {
            labels.append(&mut broadcast);
            continue;
        };
        let label = Label::Letter(c);
        if labels.contains(&label) {
            return runtime(format!("einsum(): output subscript {c} appears more than once in the output"));
        }
        if !sizes.0.iter().any(|(l, _)| *l == label) {
            return runtime(format!(
                "einsum(): output subscript {c} does not appear in the equation for any input operand"
            ));
        }
        labels.push(label);
    }
    Ok(labels)
}

pub(crate) fn einsum_of(equation: &str, operands: &[Recorded]) -> Result<Recorded> {
    if operands.is_empty() {
        return runtime("einsum(): must provide at least one operand");
    }
    let (left, right) = match equation.find("->") {
        Some(at) => (&equation[..at], Some((&equation[at + 2..], at + 2))),
        None => (equation, None),
    };
    let mut from = 0;
    let mut inputs = Vec::new();
    for (number, part) in left.split(',').enumerate() {
        inputs.push(terms(part, from, &format!("for operand {number}"))?);
        from += part.len() + 1;
    }
    if inputs.len() != operands.len() {
        let what = if inputs.len() > operands.len() { "fewer" } else { "more" };
        return runtime(format!("einsum(): {what} operands were provided than specified in the equation"));
    }
    if let Some(other) = operands.iter().find(|v| v.dtype() != operands[0].dtype()) {
        let (a, b) = (operands[0].dtype().scalar_type_name(), other.dtype().scalar_type_name());
        return Err(Error::DType(format!("expected scalar type {a} but found {b}")));
    }
    let labelled: Vec<Labelled> = operands
        .iter()
        .zip(&inputs)
        .enumerate()
        .map(|(number, (value, terms))| Labelled::new(number, value.clone(), terms))
        .collect::<Result<_>>()?;
    let sizes = Sizes::of_operands(&labelled)?;
    let wanted = output(right, &inputs, &sizes)?;
    let mut rest = labelled.into_iter().map(|v| v.squeezed(&sizes)).collect::<Result<Vec<_>>>()?;
    rest.reverse();
    let Some(mut product) = rest.pop() else { return runtime("einsum(): must provide at least one operand") };
    while let Some(next) = rest.pop() {
        let needed = |l: Label| wanted.contains(&l) || rest.iter().any(|v| v.axis(l).is_some());
        product = multiply(product, next, needed)?;
    }
    product.summed(|l| wanted.contains(&l))?.aligned(&wanted)
}

fn einsum(a: &Args<'_>) -> Result<Tensor> {
    let operands: Vec<Recorded> = a.tensors(1).iter().map(Tensor::read).collect::<Result<_>>()?;
    let out = Tensor::from_value(einsum_of(a.string(0), &operands)?)?;
    a.tensors(1).iter().try_for_each(|t| a.save(t))?;
    Ok(out)
}

crate::entries! {
    "einsum(str equation, Tensor[] *operands) -> Tensor" [FUNCTION] grad "ViewBackward0"
        "The sum of products that the equation says: `ij,jk->ik` names the axes of each operand and of the result; axes \
         that the result does not name are summed, a letter repeated within an operand is its diagonal, `...` stands for \
         further axes, which are broadcast. Without `->` the result has the letters that occur once, in order."
        => |a| einsum(a);
}
