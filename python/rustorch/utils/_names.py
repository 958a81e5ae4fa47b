"""Names of types, for messages."""

from __future__ import annotations

from typing import Any

from rustorch import _core

_TENSORS = {
    "bool": "Bool",
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "float32": "Float",
    "float64": "Double",
}


def typename(value: Any) -> str:
    """The name of a value's type as torch's messages give it: that of a tensor follows from its dtype."""
    if isinstance(value, _core.Tensor):
        return f"torch.{_TENSORS[str(value.dtype).rpartition('.')[2]]}Tensor"
    kind = value if isinstance(value, type) else type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
