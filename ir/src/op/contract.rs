//! Sums of products over common axes: every matrix product.

use super::cast::{computed_in, settle};
use super::reduce::{depth_of, neutral};
use super::*;
use crate::dtype::DType;
use crate::loops::BinOp;

/// Multiplies along `*_batch` axes paired in order and sums along `*_contract` axes paired in order.
/// The result has the batch axes, then the left operand's other axes, then the right one's.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Contract {
    pub lhs_batch: Axes,
    pub rhs_batch: Axes,
    pub lhs_contract: Axes,
    pub rhs_contract: Axes,
}

impl Contract {
    /// The axes of an operand that are neither batch nor contracted.
    pub fn free(rank: usize, batch: &[u8], contract: &[u8]) -> Axes {
        (0..rank as u8).filter(|a| !batch.contains(a) && !contract.contains(a)).collect()
    }

    fn lhs_free(&self, rank: usize) -> Axes {
        Contract::free(rank, &self.lhs_batch, &self.lhs_contract)
    }

    fn rhs_free(&self, rank: usize) -> Axes {
        Contract::free(rank, &self.rhs_batch, &self.rhs_contract)
    }
}

fn extents<'a>(shape: &'a Shape, axes: &'a [u8]) -> impl Iterator<Item = crate::shape::Dim> + 'a {
    axes.iter().map(|&a| shape[a as usize])
}

/// The gradient of one side: the result's gradient times the other side, with axes put in place.
fn side(
    b: &mut dyn Build,
    g: Value,
    other: Value,
    batch: usize,
    g_contract: std::ops::Range<usize>,
    (other_batch, other_free, other_contract): (&[u8], &[u8], &[u8]),
    (own_batch, own_free, own_contract): (&[u8], &[u8], &[u8]),
) -> Value {
    let op = Contract {
        lhs_batch: (0..batch as u8).collect(),
        rhs_batch: other_batch.into(),
        lhs_contract: g_contract.map(|a| a as u8).collect(),
        rhs_contract: other_free.into(),
    };
    // Its axes: batch, the own free ones, then the other side's contracted ones in ascending order.
    let product = b.one(Op::Contract(op), &[g, other]);
    let mut ascending: SmallVec<[(u8, usize); 4]> =
        other_contract.iter().enumerate().map(|(i, &a)| (a, i)).collect();
    ascending.sort_unstable();
    let mut order: SmallVec<[usize; 8]> =
        SmallVec::from_elem(0, own_batch.len() + own_free.len() + own_contract.len());
    for (i, &a) in own_batch.iter().chain(own_free).enumerate() {
        order[a as usize] = i;
    }
    for (place, &(_, pair)) in ascending.iter().enumerate() {
        order[own_contract[pair] as usize] = own_batch.len() + own_free.len() + place;
    }
    b.permute(product, &order)
}

impl Primitive for Contract {
    const KIND: Kind = Kind::Pull;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "contract" {
            return Ok(None);
        }
        c.symbol("<")?;
        let lhs_batch = c.numbers()?;
        c.symbol(";")?;
        let rhs_batch = c.numbers()?;
        c.symbol(";")?;
        let lhs_contract = c.numbers()?;
        c.symbol(";")?;
        let rhs_contract = c.numbers()?;
        c.symbol(">")?;
        Ok(Some(Contract { lhs_batch, rhs_batch, lhs_contract, rhs_contract }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("contract", x, 2)?;
        let (a, b) = (x[0], x[1]);
        if a.dtype != b.dtype {
            return Err(OpError::DTypes { op: "contract".into(), a: a.dtype, b: b.dtype });
        }
        if a.dtype == DType::Bool {
            return Err(OpError::DType { op: "contract".into(), dtype: a.dtype });
        }
        let pairs = |p: &[u8], q: &[u8]| {
            p.len() == q.len()
                && p.iter().zip(q).all(|(&i, &j)| {
                    a.shape.get(i as usize).is_some() && a.shape.get(i as usize) == b.shape.get(j as usize)
                })
        };
        if !pairs(&self.lhs_batch, &self.rhs_batch) || !pairs(&self.lhs_contract, &self.rhs_contract) {
            return Err(OpError::Shapes { op: self.to_string(), a: a.shape.clone(), b: b.shape.clone() });
        }
        let shape = extents(&a.shape, &self.lhs_batch)
            .chain(extents(&a.shape, &self.lhs_free(a.shape.rank())))
            .chain(extents(&b.shape, &self.rhs_free(b.shape.rank())))
            .collect();
        single(Type::new(a.dtype, shape))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let Some(g) = dy[0].filter(|&g| b.dtype(g).is_float()) else {
            return Grads::from_slice(&[None, None]);
        };
        let (m, n) = (b.shape(x[0]).rank(), b.shape(x[1]).rank());
        let (lhs_free, rhs_free) = (self.lhs_free(m), self.rhs_free(n));
        let batch = self.lhs_batch.len();
        let left = (self.lhs_batch.as_slice(), lhs_free.as_slice(), self.lhs_contract.as_slice());
        let right = (self.rhs_batch.as_slice(), rhs_free.as_slice(), self.rhs_contract.as_slice());
        let (own, others) =
            (batch..batch + lhs_free.len(), batch + lhs_free.len()..batch + lhs_free.len() + rhs_free.len());
        let dl = side(b, g, x[1], batch, others, right, left);
        let dr = side(b, g, x[0], batch, own, left, right);
        Grads::from_slice(&[Some(dl), Some(dr)])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let (lhs, rhs) = (node.inputs[0], node.inputs[1]);
        let (l, r) = (p.type_of(lhs).clone(), p.type_of(rhs).clone());
        let (lhs_free, rhs_free) = (self.lhs_free(l.shape.rank()), self.rhs_free(r.shape.rank()));
        let summed: SmallVec<[usize; 4]> = extents(&l.shape, &self.lhs_contract).map(|d| d.get()).collect();
        let init = neutral(p.loops(), Combine::Add, l.dtype);
        let depth = depth_of(p.loops(), index);
        let batch = self.lhs_batch.len();
        let value = p.reduce(Combine::Add, &summed, init, depth, &mut |p, reduced| {
            let place = |rank: usize, b: &[u8], free: &[u8], from: usize, c: &[u8]| {
                let mut at: Index = SmallVec::from_elem(Val(0), rank);
                b.iter().zip(index).for_each(|(&a, &v)| at[a as usize] = v);
                free.iter().zip(&index[from..]).for_each(|(&a, &v)| at[a as usize] = v);
                c.iter().zip(reduced).for_each(|(&a, &v)| at[a as usize] = v);
                at
            };
            let a = place(l.shape.rank(), &self.lhs_batch, &lhs_free, batch, &self.lhs_contract);
            let c =
                place(r.shape.rank(), &self.rhs_batch, &rhs_free, batch + lhs_free.len(), &self.rhs_contract);
            let (a, c) = (p.pull(lhs, &a), p.pull(rhs, &c));
            debug_assert_eq!(p.loops().ty(a).elem, computed_in(l.dtype));
            p.loops().bin(BinOp::Mul, a, c)
        });
        settle(p.loops(), value, l.dtype)
    }

    fn cost(&self) -> Cost {
        Cost::Loop
    }

    fn reduction(&self, x: &[&Type]) -> Option<(Combine, SmallVec<[usize; 4]>)> {
        Some((Combine::Add, extents(&x[0].shape, &self.lhs_contract).map(|d| d.get()).collect()))
    }

    fn product(&self) -> Option<&Contract> {
        Some(self)
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, axes) in [
            ("contract<", &self.lhs_batch),
            ("; ", &self.rhs_batch),
            ("; ", &self.lhs_contract),
            ("; ", &self.rhs_contract),
        ] {
            f.write_str(name)?;
            write_list(f, axes)?;
        }
        f.write_str(">")
    }
}
