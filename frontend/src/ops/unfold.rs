//! Sliding blocks as columns, and columns added back.

use super::operands::not_implemented;
use super::sliding::{PerAxis, Windows, padded, sizes, spatial};
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use rustorch_ir::op::Span;
use rustorch_ir::{DType, Literal, Shape};
use smallvec::SmallVec;

const LARGEST: i64 = 1 << 31;

/// Blocks over the last two axes; how many there are is still open.
fn blocks(size: &[i64], dilation: &[i64], padding: &[i64], stride: &[i64]) -> Result<(Windows, PerAxis)> {
    let given = [("kernel_size", size), ("dilation", dilation), ("padding", padding), ("stride", stride)];
    for (what, values) in given {
        if values.len() != 2 {
            return runtime(format!("It is expected {what} equals to 2, but got size {}", values.len()));
        }
    }
    for (what, name, values, least) in [
        ("kernel size should be greater than zero", "kernel", size, 1),
        ("dilation should be greater than zero", "dilation", dilation, 1),
        ("padding should be non-negative", "pad", padding, 0),
        ("stride should be greater than zero", "stride", stride, 1),
    ] {
        if values.iter().any(|&n| n < least) {
            let (h, w) = (values[0], values[1]);
            return runtime(format!("{what}, but got {name}_height: {h} {name}_width: {w}"));
        }
        if values.iter().any(|&n| n > LARGEST) {
            return runtime(format!("{name} is larger than any tensor"));
        }
    }
    let (size, stride, dilation) = (size.into(), stride.into(), dilation.into());
    Ok((Windows { size, stride, dilation, count: PerAxis::new() }, padding.into()))
}

/// How many blocks there are along each axis; not positive if there is no room.
fn counted(windows: &Windows, padding: &[i64], extents: &[i64]) -> PerAxis {
    let reach = windows.reach();
    (0..2).map(|i| (extents[i] + 2 * padding[i] - reach[i] - 1).div_euclid(windows.stride[i]) + 1).collect()
}

/// As Python prints a pair.
fn pair(values: &[i64]) -> String {
    format!("({}, {})", values[0], values[1])
}

fn attributes(windows: &Windows, padding: &[i64], extents: &[i64]) -> SmallVec<[u64; 16]> {
    let Windows { size, stride, dilation, .. } = windows;
    let lists = [size.as_slice(), stride, dilation, padding, extents];
    lists.into_iter().flatten().map(|&n| n as u64).collect()
}

fn check_dtype(x: &Recorded, kernel: &str) -> Result<()> {
    if x.dtype().is_float() || x.dtype() == DType::Bool { Ok(()) } else { not_implemented(kernel, x.dtype()) }
}

fn unfold(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    let (mut windows, padding) = blocks(a.ints(1), a.ints(2), a.ints(3), a.ints(4))?;
    let full = |from: usize| x.shape()[from..].iter().all(|d| d.get() > 0);
    if !(x.rank() == 3 && full(0) || x.rank() == 4 && full(1)) {
        return runtime(format!(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, \
             but got: {}",
            sizes(x.shape())
        ));
    }
    let extents = spatial(x.shape(), 2);
    windows.count = counted(&windows, &padding, &extents);
    if windows.count.iter().any(|&n| n < 1) {
        return runtime(format!(
            "Given input with spatial size {}, kernel_size={}, dilation={}, padding={}, calculated shape of the array \
             of sliding blocks as {}, but its components must be at least one.",
            pair(&extents),
            pair(&windows.size),
            pair(&windows.dilation),
            pair(&padding),
            pair(&windows.count)
        ));
    }
    check_dtype(&x, "im2col_out_cpu")?;
    let attributes = attributes(&windows, &padding, &extents);
    let columns = Composition { name: "unfold", attributes: &attributes }.record(&[&x], |x| {
        let channel = x[0].rank() - 3;
        let zero = Literal::from_f64(x[0].dtype(), 0.0);
        let blocks = windows.of(&padded(&x[0], &padding, &padding, zero)?)?;
        let order: Vec<usize> =
            (0..=channel).chain([channel + 3, channel + 4, channel + 1, channel + 2]).collect();
        let blocks = blocks.permute(&order)?;
        let mut shape: Shape = x[0].shape()[..channel].iter().copied().collect();
        for axes in [channel..channel + 3, channel + 3..channel + 5] {
            shape.push(blocks.shape()[axes].iter().map(|d| d.get()).product::<usize>().into());
        }
        blocks.reshape(&shape)
    })?;
    Tensor::from_value(columns)
}

fn fold(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    let extents = a.ints(1);
    if extents.len() != 2 {
        return runtime(format!("It is expected output_size equals to 2, but got size {}", extents.len()));
    }
    let (mut windows, padding) = blocks(a.ints(2), a.ints(3), a.ints(4), a.ints(5))?;
    let full = |from: usize| x.shape()[from..].iter().all(|d| d.get() > 0);
    if !(x.rank() == 2 && full(0) || x.rank() == 3 && full(1)) {
        return runtime(format!(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for \
             input, but got: {}",
            sizes(x.shape())
        ));
    }
    let channel = x.rank() - 2;
    let (rows, columns) = (x.shape()[channel].get(), x.shape()[channel + 1].get());
    let elements = (windows.size[0] * windows.size[1]) as usize;
    if !rows.is_multiple_of(elements) {
        return runtime(format!(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got \
             input.size(1)={rows} and kernel_size={}.",
            pair(&windows.size)
        ));
    }
    if extents.iter().any(|&n| !(1..=LARGEST).contains(&n)) {
        return runtime(format!("output_size should be positive, but got {}", pair(extents)));
    }
    windows.count = counted(&windows, &padding, extents);
    let (h, w) = (windows.count[0], windows.count[1]);
    if h < 0 || w < 0 || h.checked_mul(w) != Some(columns as i64) {
        let message = format!(
            "Given output_size={}, kernel_size={}, dilation={}, padding={}, stride={}, expected size of input's \
             dimension 2 to match the calculated number of sliding blocks {h} * {w} = {}, but got \
             input.size(2)={columns}.",
            pair(extents),
            pair(&windows.size),
            pair(&windows.dilation),
            pair(&padding),
            pair(&windows.stride),
            h.saturating_mul(w)
        );
        return Err(Error::Shape(message));
    }
    check_dtype(&x, "col2im_out_cpu")?;
    let attributes = attributes(&windows, &padding, extents);
    let image = Composition { name: "fold", attributes: &attributes }.record(&[&x], |x| {
        let lead = || x[0].shape()[..channel].iter().copied();
        let mut apart: Shape = lead().collect();
        apart.push((rows / elements).into());
        windows.size.iter().chain(&windows.count).for_each(|&n| apart.push((n as usize).into()));
        let order: Vec<usize> =
            (0..=channel).chain([channel + 3, channel + 4, channel + 1, channel + 2]).collect();
        let blocks = x[0].reshape(&apart)?.permute(&order)?;
        let mut whole: Shape = lead().collect();
        whole.push((rows / elements).into());
        let mut spans: SmallVec<[Span; 4]> = whole.iter().map(|d| Span::all(d.get())).collect();
        for i in 0..2 {
            whole.push(((extents[i] + 2 * padding[i]) as usize).into());
            spans.push(Span { start: padding[i], step: 1, size: extents[i] as u64 });
        }
        blocks.fold(&windows.panes(whole.rank()), &whole)?.slice(&spans)
    })?;
    Tensor::from_value(image)
}

crate::entries! {
    "unfold(Tensor input, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] stride=1) -> Tensor"
        [NN] grad "Im2ColBackward0"
        "The blocks of `kernel_size` elements, `dilation` apart, at distances of `stride` in the last two axes of a \
         tensor of shape ([N,] C, H, W) with `padding` zeros around it: each a column of shape (C * KH * KW), one \
         behind the other in the result of shape ([N,] C * KH * KW, blocks)." => |a| unfold(a);
    "fold(Tensor input, int[2] output_size, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] stride=1) \
     -> Tensor" [NN] grad "Col2ImBackward0"
        "The inverse of `unfold` in that each column goes back to where it came from, in a tensor of shape ([N,] C, \
         output_size): what overlaps is added up." => |a| fold(a);
}
