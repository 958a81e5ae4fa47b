"""Files of tensors and nested data: `save` and `load`.

A file is one in the safetensors format, which many programs read: a header of JSON that names stretches of bytes, and
the bytes. Each memory is written once, however many tensors share it; how they lie in it, and the lists, tuples,
dictionaries and numbers around them, stand as JSON in the header's metadata. Nothing in a file is ever run: there is no
pickle.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch._storage import Storage, storage

__all__ = ["load", "save"]

# Names of dtypes in headers.
DTYPES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
}
NAMES = {short: name for name, short in DTYPES.items()}
# The entry of the metadata that says how data is nested.
STRUCTURE = "rustorch"
# Headers are said to be no larger than this; a larger one is no header.
LARGEST = 100_000_000
ALIGNMENT = 64


def save(obj: Any, f: Any) -> None:
    """Writes data to a file.

    ``obj`` may nest dictionaries, lists and tuples, with numbers, strings, bools, None, dtypes and tensors within; keys
    may be all of these but tensors. Tensors that share memory still do so when they are loaded; whether they require
    grad, and whether they are parameters, is kept. ``f`` is a path, which is replaced as a whole or not at all, or a
    file object open for writing bytes. Raises ``TypeError`` for anything else, and says where it was found.
    """
    writer = _Writer()
    structure = writer.described(obj, "obj")
    header: dict[str, Any] = {"__metadata__": {"format": "pt", STRUCTURE: json.dumps(structure, allow_nan=False)}}
    at = 0
    # The widest elements come first, so that all lie where processors expect them.
    memories = sorted(writer.memories.items(), key=lambda item: -getattr(rt, item[1].dtype).itemsize)
    for name, memory in memories:
        shape, dtype = writer.shapes[name], memory.dtype
        size = memory.bytes.numel()
        header[name] = {"dtype": DTYPES[dtype], "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % ALIGNMENT)
    with _target(f) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for _, memory in memories:
            if memory.bytes.numel():
                file.write(memoryview(memory.bytes))


def load(f: Any, map_location: Any = None, *, weights_only: bool = True) -> Any:
    """Reads what `save` has written, or the tensors of any safetensors file as a dictionary.

    ``f`` is a path or a file object open for reading bytes. ``map_location`` may name the CPU. ``weights_only`` is
    True, since nothing in a file is run. Raises ``FileNotFoundError`` where there is no file, and ``ValueError`` for
    one that is not of this format or damaged.
    """
    if map_location is not None and rt.device(map_location).type != "cpu":
        raise ValueError(f"load(): map_location names the CPU, which is all there is; got {map_location!r}")
    if not weights_only:
        raise ValueError("load(): weights_only=False asks to run what a file says; files hold data alone")
    data = _bytes(f)
    header, start = _header(data)
    metadata = header.pop("__metadata__", {})
    memories = {name: _memory(name, entry, data, start) for name, entry in header.items()}
    if STRUCTURE not in metadata:
        return {name: whole.reshape(header[name]["shape"]) for name, whole in memories.items()}
    try:
        return _Reader(memories).made(json.loads(metadata[STRUCTURE]))
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise _damaged(f"its structure does not fit its tensors: {error}") from error


class _Writer:
    def __init__(self) -> None:
        self.memories: dict[str, Storage] = {}
        self.shapes: dict[str, list[int]] = {}
        self._names: dict[int, str] = {}
        self._open: set[int] = set()

    def described(self, value: Any, where: str) -> Any:
        """Data as JSON: what JSON knows as itself, all else as a list that begins with its kind."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else ["float", repr(value)]
        if isinstance(value, _core.dtype):
            return ["dtype", str(value).rsplit(".", 1)[-1]]
        if isinstance(value, rt.Tensor):
            return self._tensor(value, where)
        kind = _kind(value)
        if kind is None:
            raise TypeError(
                f"save(): cannot save an object of type {type(value).__qualname__} at {where}; save tensors, numbers, "
                "strings, bools, None, dtypes, and lists, tuples and dictionaries of them: of a module its state_dict"
            )
        if id(value) in self._open:
            raise ValueError(f"save(): {where} contains itself")
        self._open.add(id(value))
        if kind in ("dict", "ordered"):
            items: list[Any] = [
                [self._key(key, where), self.described(item, f"{where}[{key!r}]")] for key, item in value.items()
            ]
        else:
            items = [self.described(item, f"{where}[{number}]") for number, item in enumerate(value)]
        self._open.discard(id(value))
        return [kind, items]

    def _key(self, key: Any, where: str) -> Any:
        if isinstance(key, rt.Tensor):
            raise TypeError(f"save(): a key of {where} is a tensor")
        return self.described(key, f"a key of {where}")

    def _tensor(self, tensor: Any, where: str) -> Any:
        kind = "parameter" if type(tensor) is rt.nn.Parameter else "tensor"
        if kind == "tensor" and type(tensor) is not rt.Tensor:
            raise TypeError(f"save(): cannot save a {type(tensor).__qualname__} at {where}; save its data")
        if not tensor.is_leaf:
            tensor = tensor.detach()
        memory = storage(tensor)
        dtype = str(tensor.dtype).rsplit(".", 1)[-1]
        name = self._names.get(id(memory))
        if name is None:
            name = self._named(memory, where)
            whole = tensor.is_contiguous() and tensor.numel() * tensor.element_size() == memory.bytes.numel()
            width = getattr(rt, memory.dtype).itemsize
            plain = whole and dtype == memory.dtype
            self.shapes[name] = list(tensor.shape) if plain else [memory.bytes.numel() // width]
        place = [list(tensor.shape), list(tensor.stride()), tensor.storage_offset()]
        return [kind, name, dtype, *place, tensor.requires_grad]

    def _named(self, memory: Storage, where: str) -> str:
        """A name by which other programs, too, know the tensor again: for a flat dictionary its key."""
        name = base = where.removeprefix("obj").replace("']['", ".").strip("[]'") or "tensor"
        number = 1
        while name in self.memories or name == "__metadata__":
            number += 1
            name = f"{base} ({number})"
        self._names[id(memory)] = name
        self.memories[name] = memory
        return name


def _kind(value: Any) -> str | None:
    if type(value) is rt.Size:
        return "size"
    kinds: dict[Any, str] = {dict: "dict", OrderedDict: "ordered", list: "list", tuple: "tuple"}
    return kinds.get(type(value))


class _Reader:
    def __init__(self, memories: dict[str, Any]) -> None:
        self.memories = memories

    def made(self, said: Any) -> Any:
        if not isinstance(said, list):
            return said
        kind, *rest = said
        if kind in ("tensor", "parameter"):
            name, dtype, sizes, strides, offset, requires_grad = rest
            tensor = _core._at_storage(rt.Tensor, self.memories[name], dtype, sizes, strides, offset)
            if kind == "parameter":
                return rt.nn.Parameter(tensor, requires_grad)
            return tensor.requires_grad_() if requires_grad else tensor
        if kind == "float":
            return float(rest[0])
        if kind == "dtype":
            if rest[0] not in DTYPES:
                raise ValueError(f"unknown dtype {rest[0]}")
            return getattr(rt, rest[0])
        (items,) = rest
        if kind in ("dict", "ordered"):
            pairs = [(self.made(key), self.made(item)) for key, item in items]
            return dict(pairs) if kind == "dict" else OrderedDict(pairs)
        containers: dict[str, Any] = {"list": list, "tuple": tuple, "size": rt.Size}
        return containers[kind](self.made(item) for item in items)


def _damaged(why: str) -> ValueError:
    return ValueError(f"load(): the file is damaged, or not one that save() has written: {why}")


def _bytes(f: Any) -> bytearray:
    if hasattr(f, "read"):
        data = f.read()
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError("load(): the file is open for text; open it with mode 'rb'")
        return bytearray(data)
    path = Path(os.fspath(f))
    # Memory that tensors may write, filled without a copy.
    data = bytearray(path.stat().st_size)
    with path.open("rb") as file:
        if file.readinto(data) != len(data):
            raise _damaged("it became shorter while it was read")
    return data


def _header(data: bytearray) -> tuple[dict[str, Any], int]:
    if data[:2] == b"PK":
        raise ValueError(
            "load(): this is an archive as torch.save writes it, with pickles in it; save it as safetensors"
        )
    if len(data) < 8:
        raise _damaged(f"it has {len(data)} bytes")
    size = int.from_bytes(data[:8], "little")
    if size > min(LARGEST, len(data) - 8):
        raise _damaged(f"a header of {size} bytes does not fit into {len(data)} bytes")
    try:
        header = json.loads(data[8 : 8 + size].decode())
    except ValueError as error:
        raise _damaged(f"its header is no JSON: {error}") from error
    if not isinstance(header, dict) or not all(isinstance(entry, dict) for entry in header.values()):
        raise _damaged("its header names no tensors")
    return header, 8 + size


def _memory(name: str, entry: dict[str, Any], data: bytearray, start: int) -> Any:
    """The elements of an entry as one axis, on the memory of the file's bytes."""
    try:
        dtype, (begin, end) = NAMES[entry["dtype"]], entry["data_offsets"]
        count = math.prod(entry["shape"])
        size = count * getattr(rt, dtype).itemsize
        if not (0 <= begin <= end <= len(data) - start and end - begin == size):
            raise ValueError(f"bytes {begin} to {end} of {len(data) - start} for {size}")
        return _core._storage_on(memoryview(data)[start + begin : start + end], dtype)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(f"the entry {name!r} cannot be: {error}") from error


@contextlib.contextmanager
def _target(f: Any) -> Iterator[Any]:
    """Where to write: a file object as it is, or a new file that takes the place of the old one when it is whole."""
    if hasattr(f, "write"):
        if isinstance(f, io.TextIOBase):
            raise TypeError("save(): the file is open for text; open it with mode 'wb'")
        yield f
        return
    path = Path(os.fspath(f))
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # As a file that was opened would be.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
