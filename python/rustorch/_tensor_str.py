"""How a tensor prints: the same text as torch's.

Only what appears in the text is read. A tensor of more than ``threshold`` elements is summarised from its corners, so
that printing one of many million elements costs no more than printing a small one.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["get_printoptions", "printoptions", "set_printoptions", "tensor_str"]


@dataclass
class PrintOptions:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}

OPTIONS = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Changes how tensors print.

    ``precision``: digits after the point (4). ``threshold``: number of elements beyond which only the edges are shown
    (1000). ``edgeitems``: how many elements at each edge (3). ``linewidth``: characters per line (80). ``profile``:
    "default", "short" or "full", which the other arguments then refine. ``sci_mode``: scientific notation always,
    never, or (None) where the values ask for it; as in torch, every call sets it.
    """
    chosen = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    given = {name: value for name, value in chosen.items() if value is not None}
    for name, value in (PROFILES.get(profile or "", {}) | given).items():
        setattr(OPTIONS, name, value)
    OPTIONS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The current options, as arguments for :func:`set_printoptions`."""
    return asdict(OPTIONS)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Changes the options for the length of a ``with`` block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def default_dtype_name() -> str:
    return dtype_name(importlib.import_module(str(__package__)).get_default_dtype())


def dtype_name(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]


def tensor_str(t: Any, *, is_lazy_capture: bool = False) -> str:
    """``repr(t)``. While a function is being captured there are no values: an ellipsis and the size stand for them."""
    plain = type(t).__name__ in ("Tensor", "Parameter")
    prefix = "tensor(" if plain else f"{type(t).__name__}("
    contents, suffixes = placeholder(t) if is_lazy_capture else described(t, len(prefix))
    if t.grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name(t.grad_fn)}>")
    elif t.requires_grad:
        suffixes.append("requires_grad=True")
    text = with_suffixes(prefix + contents, suffixes, len(prefix))
    return f"Parameter({text})" if is_parameter_subclass(t) else text


def is_parameter_subclass(t: Any) -> bool:
    return any(base.__name__ == "Parameter" for base in type(t).__mro__[1:])


def grad_fn_name(grad_fn: Any) -> str:
    return str(grad_fn.name()).rpartition("::")[2]


def placeholder(t: Any) -> tuple[str, list[str]]:
    suffixes = [f"size={tuple(t.shape)}"]
    if dtype_name(t.dtype) != default_dtype_name():
        suffixes.append(f"dtype={t.dtype}")
    return "...", suffixes


def described(t: Any, indent: int) -> tuple[str, list[str]]:
    """The values, and what must be said because the values do not show it: an unusual dtype, the size of nothing."""
    size, dtype = f"size={tuple(t.shape)}", f"dtype={t.dtype}"
    name, default = dtype_name(t.dtype), default_dtype_name()
    if 0 in t.shape:
        suffixes = [size] if len(t.shape) != 1 else []
        return "[]", suffixes + ([dtype] if name != default else [])
    suffixes = [] if OPTIONS.edgeitems else [size]
    if name not in (default, "int64", "bool"):
        suffixes.append(dtype)
    return values_str(t, indent), suffixes


def with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    parts = [text]
    line_length = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if line_length + len(suffix) + 2 > OPTIONS.linewidth:
            parts.append(f",\n{' ' * indent}{suffix}")
            line_length = indent + len(suffix)
        else:
            parts.append(f", {suffix}")
            line_length += len(suffix) + 2
    return "".join([*parts, ")"])


def values_str(t: Any, indent: int) -> str:
    summarized = math.prod(t.shape) > OPTIONS.threshold
    if summarized and not OPTIONS.edgeitems:
        return "[...]"
    values = corners(t) if summarized else t.detach().tolist()
    gaps = [summarized and size > 2 * OPTIONS.edgeitems for size in t.shape]
    format_value = Formatter(values, len(gaps), t.dtype.is_floating_point)
    return nested_str(values, gaps, indent, format_value)


def corners(t: Any) -> Any:
    """The nested lists of the shown elements: both edges of each axis that is long enough to be cut."""
    t = t.detach()
    if hasattr(t, "realize"):
        t.realize()
    return corner_lists(t, 0)


def corner_lists(t: Any, axis: int) -> Any:
    if axis == len(t.shape):
        return t.tolist()
    edge = OPTIONS.edgeitems
    if t.shape[axis] <= 2 * edge:
        return corner_lists(t, axis + 1)
    before = (slice(None),) * axis
    head = corner_lists(t[(*before, slice(0, edge))], axis + 1)
    tail = corner_lists(t[(*before, slice(t.shape[axis] - edge, None))], axis + 1)
    return joined(head, tail, axis)


def joined(head: list[Any], tail: list[Any], axis: int) -> list[Any]:
    if axis == 0:
        return head + tail
    return [joined(a, b, axis - 1) for a, b in zip(head, tail, strict=True)]


def flattened(values: Any, depth: int) -> list[Any]:
    flat = [values]
    for _ in range(depth):
        flat = [value for row in flat for value in row]
    return flat


class Formatter:
    """One width and one notation for all shown elements.

    Floats print as integers with a point where all are whole; in scientific notation where they span more than three
    decades, exceed 1e8 or fall below 1e-4. Zeros and non-finite values decide nothing.
    """

    def __init__(self, values: Any, depth: int, floating: bool) -> None:
        flat = flattened(values, depth)
        self.floating = floating
        self.whole, self.scientific, self.width = True, False, 1
        if not floating:
            self.width = max(len(str(value)) for value in flat)
            return
        decisive = [value for value in flat if math.isfinite(value) and value != 0]
        if not decisive:
            return
        least, greatest = min(map(abs, decisive)), max(map(abs, decisive))
        self.whole = all(value.is_integer() for value in decisive)
        self.scientific = bool(
            (greatest / least > 1000.0 or greatest > 1.0e8 or least < 1.0e-4)
            if OPTIONS.sci_mode is None
            else OPTIONS.sci_mode
        )
        self.width = max(1, *(len(self.number(value)) for value in decisive))

    def number(self, value: float) -> str:
        if self.scientific:
            return f"{value:.{OPTIONS.precision}e}"
        if self.whole:
            return f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return f"{value:.{OPTIONS.precision}f}"

    def __call__(self, value: Any) -> str:
        return (self.number(value) if self.floating else str(value)).rjust(self.width)


def nested_str(values: Any, gaps: list[bool], indent: int, format_value: Formatter) -> str:
    """Brackets around the elements. ``gaps`` says for each remaining axis whether its middle was left out."""
    if not gaps:
        return format_value(values)
    if len(gaps) == 1:
        return row_str([format_value(value) for value in values], gaps[0], indent, format_value.width)
    blocks = [nested_str(value, gaps[1:], indent + 1, format_value) for value in values]
    if gaps[0]:
        blocks.insert(OPTIONS.edgeitems, "...")
    separator = "," + "\n" * (len(gaps) - 1) + " " * (indent + 1)
    return f"[{separator.join(blocks)}]"


def row_str(items: list[str], gap: bool, indent: int, width: int) -> str:
    per_line = max(1, math.floor((OPTIONS.linewidth - indent) / (width + 2)))
    if gap:
        items.insert(OPTIONS.edgeitems, " ...")
    lines = [", ".join(items[start : start + per_line]) for start in range(0, len(items), per_line)]
    separator = ",\n" + " " * (indent + 1)
    return f"[{separator.join(lines)}]"
