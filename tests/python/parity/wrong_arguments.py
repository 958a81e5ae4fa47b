"""Wrong calls made of the registry: each operation with one argument replaced by something it should not take."""

import itertools
import re

from rustorch import _core

from .wrong_calls import operands as few

# By kind of parameter: what is wrong in its place, at least for some operations, and what may be right.
WRONG = {
    "Tensor": ("'x'", "None", "[1.0]", "i", "mask", "d", "v", "e", "s"),
    "int": ("'x'", "1.5", "None", "2**70", "-9", "9", "nan"),
    "int[]": ("'x'", "(9,)", "(-9,)", "(0, 0)", "('a',)", "1.5", "(-1, -1, -1)"),
    "float": ("'x'", "None", "nan", "-1.0"),
    "Scalar": ("'x'", "None", "2**70", "nan", "[1]"),
    "bool": ("'x'", "2", "None"),
    "ScalarType": ("'float32'", "3"),
    "str": ("'bad'", "3"),
    "Tensor[]": ("a", "None", "[]", "[a, None]", "[a, v]", "['x']", "[a, i]"),
}
RIGHT = {
    "Tensor": ("a", "b", "v", "i", "mask", "cube"),
    "int": ("0", "1", "2"),
    "int[]": ("(0,)", "(1,)", "(2, 3)", "(6,)", "(0, 1)", "2"),
    "float": ("0.5",),
    "Scalar": ("1",),
    "bool": ("False",),
    "ScalarType": ("rt.float32",),
    "str": ("'mean'",),
    "Tensor[]": ("[a, a]",),
}
# What torch's function of the name does with wrong arguments is no part of its interface.
LEFT_OUT = {
    "binary_cross_entropy_with_logits": "torch's is the inner half of the one in nn.functional",
    "narrow_copy": "torch fails an assertion of its own",
    "tensordot": "torch checks some arguments in Python before it parses them",
}
TRIES = 40


def operands(module):
    names = few(module)
    names["d"] = module.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=module.float64)
    names["cube"] = module.ones(2, 2, 2)
    return names


def _kind(text):
    text = re.sub(r"\([a-z]!?\)", "", text).rstrip("?").replace("SymInt", "int")
    return re.sub(r"\[\d+\]|\?\[\]", "[]", text)


def _parameters(schema):
    """Kind, name and whether it may be left out, of each parameter; a name with `=` is given by keyword."""
    inside = re.sub(r"\(([a-z])!?\)", "", schema[schema.index("(") + 1 : schema.rindex("->")].rstrip()[:-1])
    by_keyword = False
    for part in re.split(r",\s*(?![^\[]*\])", inside):
        if part == "*":
            by_keyword = True
        elif part:
            kind, name = part.split(" ", 1)
            optional = "=" in name or kind.endswith("?")
            name = name.split("=")[0]
            yield _kind(kind), f"{name}=" if by_keyword else name, optional


def _call(space, name, given, extra=()):
    given = list(given)
    head = f"rt.{name}" if space == "function" else f"{given.pop(0)[1]}.{name}"
    values = (f"{parameter}{value}" if parameter.endswith("=") else value for parameter, value in given)
    return f"{head}({', '.join([*values, *extra])})"


def schemas():
    """The operations by name: all of their overloads as functions, or as methods where there is no function."""
    found = {}
    rows = [row for row in _core._operations() if row[0] in ("function", "method") and not row[2]]
    functions = {name for space, name, *_ in rows if space == "function"}
    for space, name, _, schema, *_ in rows:
        if name not in LEFT_OUT and (space == "function") == (name in functions):
            found.setdefault((space, name), []).append(schema)
    return found


# What torch's Python code compares with the words that it knows, whatever it is given; here it is a string.
COMPARED = {("cdist", "compute_mode")}


def calls(space, name, texts, works):
    """The wrong calls of one operation. `works` says whether a call succeeds."""
    for schema in texts:
        parameters = list(_parameters(schema))
        needed = [(kind, parameter) for kind, parameter, optional in parameters if not optional]
        if any(kind not in RIGHT for kind, _ in needed):
            continue
        base = _base(space, name, needed, works)
        if base is None:
            continue
        for at, (kind, parameter) in enumerate(needed):
            receiver = space == "method" and at == 0
            for wrong in WRONG[kind]:
                if not (receiver and wrong in ("'x'", "None", "[1.0]")):
                    yield _call(space, name, [*base[:at], (parameter, wrong), *base[at + 1 :]])
        for kind, parameter, optional in parameters:
            if optional and (name, parameter.rstrip("=")) not in COMPARED:
                yield from (_call(space, name, base, [f"{parameter.rstrip('=')}={w}"]) for w in WRONG.get(kind, ()))


def _base(space, name, needed, works):
    """Arguments that are right together."""
    for tensor in RIGHT["Tensor"]:
        choices = [(tensor,) if kind == "Tensor" else RIGHT[kind] for kind, _ in needed]
        for values in itertools.islice(itertools.product(*choices), TRIES):
            given = [(parameter, value) for (_, parameter), value in zip(needed, values, strict=True)]
            if works(_call(space, name, given)):
                return given
    return None
