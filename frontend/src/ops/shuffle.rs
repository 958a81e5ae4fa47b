//! Channels exchanged with each other and with the pixels of images.

use crate::error::{Result, runtime};
use crate::registry::Args;
use crate::tensor::Tensor;
use rustorch_ir::Shape;

/// The tensor seen as `shape`, its axes in the order `axes`, then as `last`; the leading axes are in front of all.
fn moved(x: &Tensor, lead: &[usize], shape: &[usize], axes: &[usize], last: &[usize]) -> Result<Tensor> {
    let whole = |rest: &[usize]| -> Shape { lead.iter().chain(rest).copied().collect() };
    let order: Vec<usize> = (0..lead.len()).chain(axes.iter().map(|axis| axis + lead.len())).collect();
    Tensor::from_value(x.read()?.reshape(&whole(shape))?.permute(&order)?.reshape(&whole(last))?)
}

/// The leading extents and the last three.
fn image(x: &Tensor, name: &str) -> Result<(Vec<usize>, [usize; 3])> {
    let sizes: Vec<usize> = x.sizes().iter().map(|d| d.get()).collect();
    match sizes.as_slice() {
        [lead @ .., c, h, w] => Ok((lead.to_vec(), [*c, *h, *w])),
        sizes => {
            let rank = sizes.len();
            runtime(format!(
                "{name} expects input to have at least 3 dimensions, but got input with {rank} dimension(s)"
            ))
        }
    }
}

fn factor(name: &str, what: &str, given: i64) -> Result<usize> {
    match usize::try_from(given).ok().filter(|&n| n > 0) {
        Some(n) => Ok(n),
        None => runtime(format!("{name} expects a positive {what}, but got {given}")),
    }
}

fn pixel_shuffle(a: &Args<'_>) -> Result<Tensor> {
    let (lead, [c, h, w]) = image(a.tensor(0), "pixel_shuffle")?;
    let r = factor("pixel_shuffle", "upscale_factor", a.int(1))?;
    if !c.is_multiple_of(r.saturating_mul(r)) {
        return runtime(format!(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but \
             input.size(-3)={c} is not divisible by {}",
            r.saturating_mul(r)
        ));
    }
    let c = c / (r * r);
    moved(a.tensor(0), &lead, &[c, r, r, h, w], &[0, 3, 1, 4, 2], &[c, h * r, w * r])
}

fn pixel_unshuffle(a: &Args<'_>) -> Result<Tensor> {
    let (lead, [c, h, w]) = image(a.tensor(0), "pixel_unshuffle")?;
    let r = factor("pixel_unshuffle", "downscale_factor", a.int(1))?;
    for (name, axis, extent) in [("height", -2, h), ("width", -1, w)] {
        if !extent.is_multiple_of(r) {
            return runtime(format!(
                "pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({axis})={extent} is \
                 not divisible by {r}"
            ));
        }
    }
    let (h, w) = (h / r, w / r);
    moved(a.tensor(0), &lead, &[c, h, r, w, r], &[0, 2, 4, 1, 3], &[c * r * r, h, w])
}

fn channel_shuffle(a: &Args<'_>) -> Result<Tensor> {
    let (x, groups) = (a.tensor(0), a.int(1));
    let sizes: Vec<usize> = x.sizes().iter().map(|d| d.get()).collect();
    if sizes.len() <= 2 {
        return runtime(format!(
            "channel_shuffle expects input with > 2 dims, but got input with sizes {}",
            x.sizes()
        ));
    }
    let (channels, rest): (usize, usize) = (sizes[1], sizes[2..].iter().product());
    let Some(groups) = usize::try_from(groups).ok().filter(|&g| g > 0) else {
        return runtime(format!(
            "Number of groups to divide channels in must be positive. Value of groups:{groups}"
        ));
    };
    if !channels.is_multiple_of(groups) {
        return runtime(format!(
            "Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        ));
    }
    moved(x, &sizes[..1], &[groups, channels / groups, rest], &[1, 0, 2], &sizes[1..])
}

crate::entries! {
    "pixel_shuffle(Tensor self, int upscale_factor) -> Tensor" [FUNCTION | NN]
        "Squares of `upscale_factor` pixels from channels: (..., C r², H, W) as (..., C, H r, W r)." => |a| pixel_shuffle(a);
    "pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor" [FUNCTION | NN]
        "Channels from squares of pixels: (..., C, H r, W r) as (..., C r², H, W)." => |a| pixel_unshuffle(a);
    "channel_shuffle(Tensor self, int groups) -> Tensor" [FUNCTION | NN]
        "The channels of (N, C, ...) in `groups` groups, taken from each group in turn." => |a| channel_shuffle(a);
}
