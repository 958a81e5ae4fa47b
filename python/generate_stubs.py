"""Writes the generated parts of rustorch/_core.pyi: operations from the registry of the built module.

What stands outside of them is written by hand, and goes before what the registry has of the same name. With
``--check`` it only says whether the file is what it would write.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from rustorch import _core

TARGET = Path(__file__).parent / "rustorch" / "_core.pyi"

TYPES = {
    "Tensor": "Tensor",
    "int": "int",
    "SymInt": "int",
    "float": "float",
    "bool": "bool",
    "Scalar": "Number",
    "ScalarType": "_dtype",
    "str": "str",
    "Generator": "Generator",
    "Device": "Device",
    "Layout": "_layout",
    "MemoryFormat": "_memory_format",
    "Size": "Size",
}
NUMBERS, NUMBERS_FIRST, FACTORY, OUT = 1 << 5, 1 << 6, 1 << 7, 1 << 8
RESERVED = {"from": "from_", "lambda": "lambda_", "is": "is_", "in": "in_"}

COMPARED = ["lt", "le", "gt", "ge"]
BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()


def annotation(schema_type: str, numbers: bool) -> str:
    if schema_type == "int[][]":
        return "Sequence[Sequence[int] | int]"
    optional = schema_type.endswith("?")
    base = schema_type.removesuffix("?")
    listed = re.fullmatch(r"(\w+)(\([a-z]!?\))?(\?)?\[(\d*)\]", base)
    if listed:
        element = TYPES[listed[1]] + (" | None" if listed[3] else "")
        text = f"Sequence[{element}]"
        if listed[4]:
            text += f" | {element}"
    else:
        text = TYPES[re.sub(r"\(.*\)", "", base)]
        if text == "Tensor" and numbers:
            text = "Tensor | Number"
    return f"{text} | None" if optional else text


def default(text: str) -> str:
    return f"({text[1:-1]}{',' if text not in ('[]',) else ''})" if text.startswith("[") else text.replace("'", '"')


def parameters(schema: str, flags: int, method: bool) -> str:
    inside = schema[schema.index("(") + 1 : schema.rindex(")", 0, schema.index("->"))]
    parts: list[str] = []
    keyword_only = False
    for place, part in enumerate(re.split(r",\s*(?![^\[(]*[\])])", inside) if inside else []):
        if part == "*" and keyword_only:
            continue
        if part == "*":
            keyword_only = True
            parts.append("*")
            continue
        kind, _, rest = part.rpartition(" ")
        name, _, value = rest.partition("=")
        if name == "self" and method:
            continue
        name = "input" if name == "self" else RESERVED.get(name, name)
        if name.startswith("*"):
            keyword_only = True
            listed = annotation(kind, False)
            parts.append(
                f"{name}: {re.fullmatch(r'Sequence.(.*).', listed)[1]}" + (f" | {listed}" if kind == "Tensor[]" else "")
            )
            continue
        numbers = bool(flags & (NUMBERS if place else NUMBERS_FIRST))
        parts.append(f"{name}: {annotation(kind, numbers)}" + (f" = {default(value)}" if value else ""))
    extra = []
    if flags & FACTORY:
        extra += ["device: Device = None", "layout: _layout | None = None", "pin_memory: bool = False"]
        extra += ["requires_grad: bool = False"]
    if flags & OUT and not method:
        extra.append("out: Tensor | None = None")
    if extra and not keyword_only:
        parts.append("*")
    return ", ".join([*(["self"] if method else []), *parts, *extra])


def result(schema: str) -> str:
    text = schema[schema.index("->") + 2 :].strip()
    if text == "()":
        return "None"
    if text.endswith("[]"):
        return "tuple[Tensor, ...]"
    if text.startswith("("):
        return f"tuple[{', '.join('Tensor' for _ in text.split(','))}]"
    return TYPES.get(re.sub(r"\(.*\)", "", text), "Any")


def varargs(schema: str, method: bool) -> bool:
    """Whether sizes may be given one by one: they are the only positional parameter."""
    inside = schema[schema.index("(") + 1 : schema.index("->")]
    positional = inside.split("*")[0].rstrip(", )")
    rest = [part for part in positional.split(", ") if part and not (method and part.split(" ")[-1] == "self")]
    return len(rest) == 1 and re.match(r"(Sym)?[iI]nt\[\]", rest[0]) is not None


def lines(rows: list[tuple[str, bool, str, int, str]], method: bool) -> list[str]:
    named = defaultdict(list)
    for name, in_place, schema, flags, _ in rows:
        signature = (parameters(schema, flags, method), "Self" if in_place and method else result(schema))
        named[name].append(signature)
        if varargs(schema, method):
            named[name].append(
                (re.sub(r"(\w+): Sequence\[int\][^,]*", r"*\1: int", signature[0], count=1), signature[1])
            )
    out = []
    for name, signatures in sorted(named.items()):
        signatures = list(dict.fromkeys((re.sub(r"(\*\w+: int), \*,", r"\1,", s), r) for s, r in signatures))
        for signature, returned in signatures:
            if len(signatures) > 1:
                out.append("@overload")
            out.append(f"def {name}({signature}) -> {returned}: ...")
    return out


PART = re.compile(r"^( *)# Generated: (\w+)\.\n(.*?)^ *# End\.\n", re.MULTILINE | re.DOTALL)


def stub(present: str) -> str:
    """The present text with its generated parts made anew."""
    _, tensor = PART.sub("", present).split("\nclass Tensor:\n")
    by_hand = {
        "method": re.findall(r"^    def (\w+)\(", tensor, re.MULTILINE),
        "function": re.findall(r"^def (\w+)\(", tensor, re.MULTILINE),
    }
    spaces = defaultdict(list)
    for space, name, in_place, schema, flags, doc in _core._operations():
        if name not in by_hand.get(space, ()):
            spaces[space].append((name, in_place, schema, flags, doc))
    parts = {
        "dtypes": [f"{name}: dtype" for name in sorted(vars(_core)) if isinstance(getattr(_core, name), _core.dtype)],
        "operators": operators(),
        "methods": lines(spaces["method"], method=True),
        "functions": lines(spaces["function"], method=False),
        "nn": static(lines(spaces["nn"], method=False)),
        "linalg": static(lines(spaces["linalg"], method=False)),
    }

    def anew(found: re.Match[str]) -> str:
        indent, name, _ = found.groups()
        body = "".join(f"{indent}{aliased(line)}\n" for line in parts.pop(name) or ["..."])
        return f"{indent}# Generated: {name}.\n{body}{indent}# End.\n"

    text = PART.sub(anew, present)
    if parts:
        raise SystemExit(f"{TARGET} has no place for {', '.join(parts)}")
    return text


def operators() -> list[str]:
    text = [f"def __{name}__(self, other: Any) -> Tensor: ..." for name in COMPARED]
    for name in BINARY:
        text += [f"def __{side}{name}__(self, other: Any) -> Tensor: ..." for side in ("", "r")]
        if name != "matmul":
            text.append(f"def __i{name}__(self, other: Any) -> Self: ...")
    return text


def aliased(line: str) -> str:
    """Types by names that no dtype and no method has."""
    defined = re.match(r"\s*(def \w+|\w+: dtype$|.*TypeAlias|from )", line)
    start = defined.end() if defined else 0
    return line[:start] + re.sub(r"(?<![\w.*])(int|float|bool)\b", r"_\1", line[start:])


def static(defined: list[str]) -> list[str]:
    out = []
    for line in defined:
        if line.startswith("def "):
            out.append("@staticmethod")
        out.append(line)
    return out


def formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def main() -> int:
    present = TARGET.read_text()
    text = formatted(stub(present))
    if "--check" in sys.argv:
        if present != text:
            print(f"{TARGET} is not what the registry says: run python/generate_stubs.py")
            return 1
        return 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
