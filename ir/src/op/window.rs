//! Sliding windows over axes, and their inverse in the sense of gradients.

use super::cast::settle;
use super::pad::locate;
use super::reduce::{depth_of, neutral, on_masks};
use super::*;
use crate::dtype::DType;
use crate::loops::BinOp;

/// Along one axis: `count` windows, `stride` apart, of `size` elements, `dilation` apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pane {
    pub axis: u8,
    pub count: u64,
    pub stride: u64,
    pub size: u64,
    pub dilation: u64,
}

impl Pane {
    /// Whether all windows lie within an axis of `extent`.
    fn fits(&self, extent: usize) -> bool {
        let reach = |n: u64, step: u64| (n - 1).checked_mul(step);
        let steps = [self.stride, self.dilation].iter().all(|&step| step > 0 && step <= i64::MAX as u64);
        if self.count == 0 || self.size == 0 {
            return steps;
        }
        let (first, inside) = (reach(self.count, self.stride), reach(self.size, self.dilation));
        let last = first.zip(inside).and_then(|(first, inside)| first.checked_add(inside));
        steps && last.is_some_and(|last| last < extent as u64)
    }

    /// Element `k` of window `o`, as a place of the axis.
    fn place(&self, b: &mut LoopBuilder, o: Val, k: Val) -> Val {
        b.affine(&[(o, self.stride as i64), (k, self.dilation as i64)], 0)
    }

    fn parse_list(c: &mut Cursor<'_>) -> Parse<SmallVec<[Pane; 3]>> {
        let panes = c.list(|c| {
            let axis = c.integer("an axis")?;
            c.symbol(":")?;
            let count = c.integer("a number of windows")?;
            c.symbol(":")?;
            let stride = c.integer("the distance of windows")?;
            c.symbol(":")?;
            let size = c.integer("the size of a window")?;
            c.symbol(":")?;
            let dilation = c.integer("the distance of a window's elements")?;
            Ok(Pane { axis, count, stride, size, dilation })
        })?;
        Ok(panes.into_iter().collect())
    }
}

impl fmt::Display for Pane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pane { axis, count, stride, size, dilation } = self;
        write!(f, "{axis}:{count}:{stride}:{size}:{dilation}")
    }
}

/// The windows of a value of this shape: their axes take the place of the axes they slide over, their elements'
/// axes come behind all others, in order.
fn windows(op: &str, panes: &[Pane], shape: &Shape) -> Result<Shape, OpError> {
    let fits = panes.iter().all(|p| shape.get(p.axis as usize).is_some_and(|d| p.fits(d.get())));
    if !fits || !panes.is_sorted_by(|a, b| a.axis < b.axis) {
        return Err(OpError::attribute(op, "windows are out of range or out of order", shape));
    }
    let mut out = shape.clone();
    panes.iter().for_each(|p| out[p.axis as usize] = (p.count as usize).into());
    panes.iter().for_each(|p| out.push((p.size as usize).into()));
    Ok(out)
}

/// `y[.., o, .., k] = x[.., o * stride + k * dilation, ..]` for each pane.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Window {
    pub panes: SmallVec<[Pane; 3]>,
}

impl Primitive for Window {
    const KIND: Kind = Kind::View;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "window" {
            return Ok(None);
        }
        c.symbol("<")?;
        let panes = Pane::parse_list(c)?;
        c.symbol(">")?;
        Ok(Some(Window { panes }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("window", x, 1)?;
        single(Type::new(x[0].dtype, windows("window", &self.panes, &x[0].shape)?))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let shape = b.shape(x[0]);
        let fold = Fold { panes: self.panes.clone(), shape };
        Grads::from_slice(&[dy[0].map(|g| b.one(Op::Fold(fold), &[g]))])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let (outer, inner) = index.split_at(index.len() - self.panes.len());
        let mut at = Index::from_slice(outer);
        for (pane, &k) in self.panes.iter().zip(inner) {
            let axis = pane.axis as usize;
            at[axis] = pane.place(p.loops(), outer[axis], k);
        }
        p.pull(node.inputs[0], &at)
    }

    fn restride(&self, _: &Shape, strides: &Strides, _: &Shape) -> Option<(Strides, i64)> {
        let mut out = strides.clone();
        for pane in &self.panes {
            out[pane.axis as usize] *= pane.stride as i64;
            out.push(strides[pane.axis as usize] * pane.dilation as i64);
        }
        Some((out, 0))
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        if self.panes.iter().any(|p| p.size != 1) {
            return None;
        }
        let shape = windows("window", &self.panes, &g.ty(x[0]).shape).ok()?;
        let mut spans: SmallVec<[Span; 4]> = g.ty(x[0]).shape.iter().map(|d| Span::all(d.get())).collect();
        for p in &self.panes {
            spans[p.axis as usize] = Span { start: 0, step: p.stride as i64, size: p.count };
        }
        let b: &mut dyn Build = g;
        let picked = b.one(Op::Slice(Slice { spans }), &[x[0]]);
        Some(("windows of one element", b.reshape(picked, &shape)))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("window<")?;
        write_list(f, &self.panes)?;
        f.write_str(">")
    }
}

/// Of shape `shape`: at each place the sum of the operand's elements that [`Window`] with these panes would read
/// there; 0 where it reads nothing. Each place looks up the windows that hold it, in the order of their elements or
/// of the windows. f16 and bf16 are added in f32.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fold {
    pub panes: SmallVec<[Pane; 3]>,
    pub shape: Shape,
}

/// How a place of an axis finds the pairs of window and element that meet there: `place = u * u_step + v * v_step`, where
/// the one of them that has to be tried for fewer numbers is walked and the other one computed.
struct Search {
    /// Whether `u` is the element within the window, and `v` the window.
    by_element: bool,
    u: (u64, u64),
    v: (u64, u64),
    /// Numbers tried.
    steps: u64,
}

impl Search {
    fn of(pane: &Pane) -> Search {
        let (windows, elements) = ((pane.count, pane.stride), (pane.size, pane.dilation));
        let by = |by_element: bool, u: (u64, u64), v: (u64, u64)| {
            let steps = if u.1 == 1 { u.0.div_ceil(v.1) } else { u.0 };
            Search { by_element, u, v, steps }
        };
        let (first, second) = (by(true, elements, windows), by(false, windows, elements));
        if second.steps < first.steps { second } else { first }
    }

    /// Window and element number `step` for `place`, and whether there is such a pair; if not, some numbers in range.
    fn pair(&self, b: &mut LoopBuilder, place: Val, step: Val) -> (Val, Val, Val) {
        let ((n, distance), (count, by)) = (self.u, self.v);
        let whole = |n: u64, step: u64| Span { start: 0, step: step as i64, size: n };
        let (u, v, found) = if distance == 1 && by > 1 {
            // Numbers that leave the remainder of the place: every `by`-th.
            let (q, r) = b.div_rem(place, by as i64);
            let u = b.affine(&[(step, by as i64), (r, 1)], 0);
            let v = b.affine(&[(q, 1), (step, -1)], 0);
            let ((u, a), (v, c)) = (locate(b, &whole(n, 1), u), locate(b, &whole(count, 1), v));
            let zero = b.index(0);
            (b.select(a, u, zero), v, b.bin(BinOp::And, a, c))
        } else {
            let rest = b.affine(&[(place, 1), (step, -(distance as i64))], 0);
            let (v, found) = locate(b, &whole(count, by), rest);
            (step, v, found)
        };
        let zero = b.index(0);
        let v = b.select(found, v, zero);
        if self.by_element { (v, u, found) } else { (u, v, found) }
    }
}

impl Primitive for Fold {
    const KIND: Kind = Kind::Pull;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "fold" {
            return Ok(None);
        }
        c.symbol("<")?;
        let panes = Pane::parse_list(c)?;
        c.symbol(",")?;
        let shape = c.shape()?;
        c.symbol(">")?;
        Ok(Some(Fold { panes, shape }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("fold", x, 1)?;
        if windows("fold", &self.panes, &self.shape)? != x[0].shape {
            let wrong = format!("{self} does not place the operand's windows");
            return Err(OpError::attribute("fold", wrong, &x[0].shape));
        }
        single(Type::new(x[0].dtype, self.shape.clone()))
    }

    fn vjp(&self, b: &mut dyn Build, _: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let window = Window { panes: self.panes.clone() };
        Grads::from_slice(&[dy[0].map(|g| b.one(Op::Window(window), &[g]))])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let x = node.inputs[0];
        let (dtype, empty) = (p.type_of(x).dtype, p.type_of(x).shape.numel() == 0);
        let combine = if dtype == DType::Bool { on_masks(Combine::Add) } else { Combine::Add };
        let init = neutral(p.loops(), combine, dtype);
        if empty {
            return settle(p.loops(), init, dtype);
        }
        let searches: SmallVec<[Search; 3]> = self.panes.iter().map(Search::of).collect();
        let extents: SmallVec<[usize; 4]> = searches.iter().map(|s| s.steps as usize).collect();
        let depth = depth_of(p.loops(), index);
        let value = p.reduce(combine, &extents, init, depth, &mut |p, steps| {
            let b = p.loops();
            let mut at = Index::from_slice(index);
            let mut inside = b.mask(true);
            for ((pane, search), &step) in self.panes.iter().zip(&searches).zip(steps) {
                let (o, k, found) = search.pair(b, index[pane.axis as usize], step);
                at[pane.axis as usize] = o;
                at.push(k);
                inside = b.bin(BinOp::And, inside, found);
            }
            let value = p.pull(x, &at);
            p.loops().select(inside, value, init)
        });
        settle(p.loops(), value, dtype)
    }

    fn cost(&self) -> Cost {
        Cost::Loop
    }

    fn reduction(&self, _: &[&Type]) -> Option<(Combine, SmallVec<[usize; 4]>)> {
        Some((Combine::Add, self.panes.iter().map(|p| Search::of(p).steps as usize).collect()))
    }
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fold<")?;
        write_list(f, &self.panes)?;
        write!(f, ", {}>", self.shape)
    }
}
