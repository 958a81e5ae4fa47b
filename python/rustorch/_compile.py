"""``compile``: functions and modules whose calls are captured once and then run without Python.

What runs a captured program is in the extension module. Here is what belongs to Python: numbers that are another one in
each call, guards on modules and on what a function refers to, warnings, and the module that wraps a module.
"""

from __future__ import annotations

import functools
import math
import operator
import sys
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from rustorch import _core
from rustorch.errors import ArgumentTypeError, ArgumentValueError
from rustorch.nn.modules import _tracked
from rustorch.nn.modules.module import Module
from rustorch.utils import _tracing

__all__ = ["CompiledFunction", "OptimizedModule", "compile", "reset"]

_PACKAGE = __name__.split(".", maxsplit=1)[0]

# Calls after one another that only make state, as the first step of an optimiser does.
_MOST_WARM_UPS = 8


def compile(  # noqa: A001  (torch's name)
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str = "rustorch",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """Makes a function or a module run as captured programs.

    The first call with arguments of some structure, dtypes, shapes and strides runs as always and is recorded; later
    ones run what was recorded, with no Python in between: reads of arguments, parameters and other tensors, in-place
    writes, gradients, the steps of optimisers and random draws. Python numbers among the arguments are inputs,
    unless the function decides by them what it computes. Other effects of the Python code happen only while it is
    recorded.

    A call that needs a value on the way (``.item()``, ``print``, ``if tensor``) cannot be captured: it runs as without
    ``compile``, with one warning that names the line, or raises ``CompileError`` with ``fullgraph=True``.

    Args:
        model: a callable or an ``nn.Module``. Left out, ``compile`` is a decorator.
        fullgraph: whether what cannot be captured is an error.
        dynamic: ``None`` or ``False``; each shape has a program of its own. ``True`` is refused.
        backend: only ``"rustorch"``.
        mode, options: only ``None``.
        disable: gives ``model`` back as it is.

    Returns:
        A function, or an ``OptimizedModule`` with the parameters of ``model``.
    """
    if backend != "rustorch" or mode not in (None, "default") or options:
        raise ArgumentValueError(
            "compile(): there is one backend, 'rustorch', without modes and options; "
            f"got backend={backend!r}, mode={mode!r}, options={options!r}"
        )
    if dynamic:
        raise NotImplementedError(
            "compile(dynamic=True): dimensions that vary within one program are not there yet; with dynamic=None each "
            "shape gets a program of its own when it first comes"
        )
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, dynamic=dynamic, disable=disable)
    if disable:
        return model
    if isinstance(model, Module):
        return OptimizedModule(model, fullgraph)
    if not callable(model):
        raise ArgumentTypeError(f"compile() expects a callable or a Module, but got {type(model).__name__}")
    return CompiledFunction(model, fullgraph)


class CompiledFunction(_core.Compiled):
    """A function that runs as captured programs. ``captures`` says why each was made."""

    captures: list[str]
    _warned: set[str]
    _warm_ups: int

    def __new__(cls, function: Callable[..., Any], fullgraph: bool = False) -> CompiledFunction:
        self = super().__new__(cls, function, fullgraph)
        functools.update_wrapper(self, function)
        self.captures = []
        self._warned = set()
        self._warm_ups = 0
        _compiled.add(self)
        return self

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> Any:
        # Programs belong to the process: what comes back captures anew.
        return CompiledFunction, (self._function, self._fullgraph)

    def __repr__(self) -> str:
        return f"<compiled {self._function!r}>"


class OptimizedModule(Module):
    """A module whose calls run as captured programs; its parameters are those of the module that it wraps."""

    def __init__(self, module: Module, fullgraph: bool = False) -> None:
        super().__init__()
        self._orig_mod = module
        self.__dict__["_compiled"] = CompiledFunction(module.__call__, fullgraph)
        self.__dict__["_fullgraph"] = fullgraph
        self.training = module.training

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["_compiled"](*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_orig_mod", "training"):
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __reduce__(self) -> Any:
        return OptimizedModule, (self._orig_mod, self._fullgraph)


_compiled: weakref.WeakSet[CompiledFunction] = weakref.WeakSet()


def reset() -> None:
    """Forgets all captured programs."""
    for function in list(_compiled):
        function._reset()


def user_line() -> str | None:
    """``file:line`` of the innermost frame outside of this package."""
    frame = sys._getframe(0)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name != _PACKAGE and not name.startswith(_PACKAGE + "."):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return None


# Numbers


class Number(_core.TracedNumber):
    """A number that is another one in each call.

    Arithmetic gives numbers of the same kind. Whatever looks at the value (a comparison, ``int``, ``math.sin``) makes
    the program hold for the present value only.
    """

    __slots__ = ("code", "source", "tracing", "value")
    source: str

    def __new__(cls, tracing: Tracing, number: int, value: Any, code: str) -> Number:
        return super().__new__(cls, number, value)

    def __init__(self, tracing: Tracing, number: int, value: Any, code: str) -> None:
        self.tracing = tracing
        self.value = value
        self.code = code

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.value)

    def now(self) -> Any:
        """The value; the program depends on it."""
        self.tracing.fix(self.id)
        return self.value

    def __float__(self) -> float:
        return float(self.now())

    def __int__(self) -> int:
        return int(self.now())

    def __trunc__(self) -> int:
        return int(self.now())

    def __index__(self) -> int:
        return operator.index(self.now())

    def __bool__(self) -> bool:
        return self.tracing.condition(bool(self.value), f"({self.code} != 0)")

    def __hash__(self) -> int:
        return hash(self.now())

    def __repr__(self) -> str:
        return repr(self.now())

    def __str__(self) -> str:
        return str(self.now())

    def __format__(self, spec: str) -> str:
        return format(self.now(), spec)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.now(), digits)

    def __reduce__(self) -> Any:
        return type(self.value), (self.now(),)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now(), name)


def _plain(value: Any) -> Any:
    return value.now() if type(value) is Number else value


def _binary(name: str, symbol: str) -> None:
    function = getattr(operator, name)

    def forward(self: Number, other: Any) -> Any:
        return self.tracing.combined(function, symbol, self, other)

    def reflected(self: Number, other: Any) -> Any:
        return self.tracing.combined(function, symbol, other, self)

    setattr(Number, f"__{name}__", forward)
    setattr(Number, f"__r{name}__", reflected)


for _name, _symbol in [
    ("add", "+"),
    ("sub", "-"),
    ("mul", "*"),
    ("truediv", "/"),
    ("floordiv", "//"),
    ("mod", "%"),
    ("pow", "**"),
]:
    _binary(_name, _symbol)


def _unary(name: str, text: str) -> None:
    function = getattr(operator, name)

    def forward(self: Number) -> Any:
        return self.tracing.made(function(self.value), text.format(self.code))

    setattr(Number, f"__{name}__", forward)


for _name, _symbol in [("neg", "(-{})"), ("pos", "(+{})"), ("abs", "abs({})")]:
    _unary(_name, _symbol)


def _comparison(name: str, symbol: str) -> None:
    function = getattr(operator, name)

    def compare(self: Number, other: Any) -> Any:
        found = self.tracing.operands(self, other)
        if found is NotImplemented:
            return NotImplemented
        if found is None:
            return function(_plain(self), _plain(other))
        values, codes = found
        return self.tracing.condition(function(*values), f"({codes[0]} {symbol} {codes[1]})")

    setattr(Number, f"__{name}__", compare)


for _name, _symbol in [("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="), ("eq", "=="), ("ne", "!=")]:
    _comparison(_name, _symbol)


# One call under capture


class Tracing:
    """What a call under capture has to do with Python."""

    def __init__(self, compiled: CompiledFunction, given: tuple[Any, ...], why: list[str]) -> None:
        self.compiled: Any = compiled
        self.why = why
        self.leaves: list[Number] = []
        self.all: list[Number] = []
        self.sources: dict[tuple[int, Any, Any], Number] = {}
        self.containers: list[Any] = []
        self.conditions: list[tuple[bool, str]] = []
        # For those that ask: what belongs to this capture.
        self.shared: dict[Any, Any] = {}
        self.fixed: set[int] = set()
        self.afterwards: list[Callable[[], None]] = []
        self.checks: list[Callable[[], str | None]] = []
        self.arguments = len(given)
        self.numbers = [self.leaf(value, f"a[{place}]") for place, value in enumerate(given)]
        self.modules: list[Module] = []
        self.references = _References(compiled._function)
        self.guards: list[_ModuleState] = []
        self.holds: Any = None
        self.before = _tracked.begin(self.modules)
        _tracing.begin(self)

    # Numbers

    def made(self, value: Any, code: str) -> Any:
        if type(value) not in (int, float) or (type(value) is int and not -(2**63) <= value < 2**63):
            # No such number: what it was made of is what it is now.
            for leaf in self.leaves:
                if f"{{{leaf.id}}}" in code:
                    self.fix(leaf.id)
            return value
        number = Number(self, len(self.all), value, code)
        self.all.append(number)
        return number

    def leaf(self, value: Any, source: str) -> Number:
        number = Number(self, len(self.all), value, f"{{{len(self.all)}}}")
        number.source = source
        self.all.append(number)
        self.leaves.append(number)
        return number

    def operands(self, *operands: Any) -> Any:
        """Values and codes of operands; `None` if one has no code, `NotImplemented` if one is no number."""
        values, codes = [], []
        for operand in operands:
            if type(operand) is Number:
                values.append(operand.value)
                codes.append(operand.code)
            elif type(operand) in (int, float):
                values.append(operand)
                codes.append(f"({operand!r})" if math.isfinite(operand) else "")
            else:
                return NotImplemented
        return (values, codes) if all(codes) else None

    def combined(self, function: Callable[[Any, Any], Any], symbol: str, left: Any, right: Any) -> Any:
        found = self.operands(left, right)
        if found is NotImplemented:
            return NotImplemented
        if found is None:
            return function(_plain(left), _plain(right))
        values, codes = found
        return self.made(function(*values), f"({codes[0]} {symbol} {codes[1]})")

    def condition(self, result: bool, code: str) -> bool:
        """The program holds as long as this is so."""
        if (result, code) not in self.conditions:
            self.conditions.append((result, code))
        return result

    def fix(self, number: int) -> None:
        """What is recorded depends on the value of this number."""
        code = self.all[number].code
        self.fixed.update(leaf.id for leaf in self.leaves if f"{{{leaf.id}}}" in code)

    def item(self, container: Any, key: Any, place: int | None = None) -> Any:
        """``container[key]`` or ``container[key][place]``, a number that others change between calls."""
        value = container[key] if place is None else container[key][place]
        if type(value) not in (int, float):
            return value
        known = self.sources.get((id(container), key, place))
        if known is None:
            suffix = "" if place is None else f"[{place}]"
            known = self.leaf(value, f"c{len(self.containers)}[{key!r}]{suffix}")
            self.sources[id(container), key, place] = known
            self.containers.append(container)
        return known

    def after(self, effect: Callable[[], None]) -> None:
        """Calls ``effect`` after each run of the program."""
        self.afterwards.append(effect)

    def check(self, guard: Callable[[], str | None]) -> None:
        """Asks before each run whether the program holds: ``guard`` says what has changed."""
        self.checks.append(guard)

    # The end

    def _close(self) -> None:
        _tracked.end(self.before)
        _tracing.end()

    def abandon(self) -> None:
        """The call failed."""
        self._close()

    def again(self) -> bool:
        """The call made state: the next one is captured. Whether that is given up."""
        self._close()
        self.compiled._warm_ups += 1
        if self.compiled._warm_ups < _MOST_WARM_UPS:
            return False
        return self._refused("each call makes new state of an optimiser")

    def broken(self, why: str, place: str | None) -> bool:
        """The call cannot be captured; whether that is known from now on."""
        self._close()
        return self._refused(f"{why} at {place}" if place else why)

    def _refused(self, text: str) -> bool:
        self._guard()
        if self.compiled._fullgraph:
            return False
        self.compiled.captures.append(f"not captured: {text}")
        if text not in self.compiled._warned:
            self.compiled._warned.add(text)
            name = getattr(self.compiled, "__qualname__", repr(self.compiled))
            warnings.warn(
                f"rt.compile: {name} runs uncompiled: {text}. Move that out of the compiled function, or compile what "
                "stands before and behind it",
                UserWarning,
                stacklevel=2,
            )
        return True

    def finish(self, fixed: list[int], used: list[int]) -> tuple[list[int], Any, bool, Any]:
        """What belongs to the program that was captured.

        Returns the places of arguments that must be what they are, a function that gives the program's numbers,
        whether the guard is asked at each call, and what is called after each run.
        """
        self._close()
        self._guard()
        self.compiled._warm_ups = 0
        reason = "; ".join(dict.fromkeys(self.why)) or "it was called for the first time"
        self.compiled.captures.append(f"captured: {reason}")
        for number in fixed:
            self.fix(number)
        places = [leaf.id for leaf in self.leaves if leaf.id in self.fixed and leaf.id < self.arguments]
        for leaf in self.leaves:
            if leaf.id in self.fixed and leaf.id >= self.arguments:
                self.condition(True, f"({leaf.code} == ({leaf.value!r}))")
        numbers = self._numbers(set(used)) if used else None
        if self.conditions:
            self.holds = self._holds()
        after = _all_of(self.afterwards) if self.afterwards else None
        always = bool(self.checks or self.conditions) or self.references.any
        self.leaves, self.all, self.sources = [], [], {}
        self.shared, self.compiled = {}, None
        return places, numbers, always, after

    def _code(self, code: str) -> str:
        for leaf in self.leaves:
            code = code.replace(leaf.code, leaf.source)
        return code

    def _function(self, body: str) -> Any:
        namespace: dict[str, Any] = {"abs": abs}
        namespace |= {f"c{place}": container for place, container in enumerate(self.containers)}
        exec(f"def function(a): {body}", namespace)
        return namespace["function"]

    def _numbers(self, used: set[int]) -> Any:
        """The program's numbers, by their own."""
        parts = [self._code(number.code) if number.id in used else "0" for number in self.all[: max(used) + 1]]
        return self._function(f"return ({', '.join(parts)},)")

    def _holds(self) -> Any:
        """Says which condition is another one now."""
        tests = [f"({self._code(code)}) is {result}" for result, code in self.conditions]
        return self._function(f"return ({', '.join(tests)},)")

    # Guards

    def _guard(self) -> None:
        modules = dict.fromkeys([*self.references.modules(), *self.modules])
        self.guards = [_ModuleState(module) for module in modules]
        self.modules = []

    def verify(self, given: tuple[Any, ...]) -> str | None:
        """What is not as it was when the program was captured."""
        if self.holds is not None:
            for (result, code), holds in zip(self.conditions, self.holds(given), strict=True):
                if not holds:
                    return f"a number that decides what is computed: {code} was {result}"
        return (
            self.references.changed()
            or next((found for check in self.checks if (found := check())), None)
            or next((found for guard in self.guards if (found := guard.changed())), None)
        )


def _all_of(effects: list[Callable[[], None]]) -> Callable[[], None]:
    def after() -> None:
        for effect in effects:
            effect()

    return after if len(effects) > 1 else effects[0]


_SCALARS = (int, float, bool, str, bytes, type(None))


class _References:
    """What a function refers to by name: cells of its closure, globals, the object that it is a method of."""

    def __init__(self, function: Any) -> None:
        self.owner = getattr(function, "__self__", None)
        code = getattr(function, "__func__", function)
        code = getattr(code, "__wrapped__", code) if not hasattr(code, "__code__") else code
        self.cells = [(cell, cell.cell_contents) for cell in getattr(code, "__closure__", None) or () if _is_set(cell)]
        names = getattr(getattr(code, "__code__", None), "co_names", ())
        space = getattr(code, "__globals__", {})
        self.globals = [
            (space, name, space[name])
            for name in names
            if name in space and not isinstance(space[name], (types.ModuleType, type, types.FunctionType))
        ]
        if isinstance(self.owner, Module):
            # The module's own call: its methods refer to nothing that varies.
            self.globals = []
        self.any = bool(self.cells or self.globals)

    def values(self) -> Iterator[Any]:
        yield self.owner
        for _, value in self.cells:
            yield value
        for _, _, value in self.globals:
            yield value

    def modules(self) -> Iterator[Module]:
        for value in self.values():
            for item in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(item, Module):
                    yield from item.modules()

    def changed(self) -> str | None:
        for cell, value in self.cells:
            if not _same(cell.cell_contents if _is_set(cell) else None, value):
                return f"a variable of the enclosing function was {_short(value)}"
        for space, name, value in self.globals:
            if not _same(space.get(name), value):
                return f"the global {name} was {_short(value)}"
        return None


def _is_set(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _same(now: Any, before: Any) -> bool:
    return now is before or (type(now) is type(before) and isinstance(now, _SCALARS) and now == before)


def _short(value: Any) -> str:
    return repr(value) if isinstance(value, _SCALARS) else f"another {type(value).__name__}"


class _ModuleState:
    """Attributes, parameters, sub-modules and hooks of a module."""

    def __init__(self, module: Module) -> None:
        self.module = weakref.ref(module)
        self.attributes = dict(module.__dict__)
        self.tables = {
            name: dict(value) for name, value in module.__dict__.items() if isinstance(value, dict) and name[0] == "_"
        }

    def changed(self) -> str | None:
        module = self.module()
        if module is None:
            return "a module is gone"
        now = module.__dict__
        if now.keys() != self.attributes.keys():
            return f"{type(module).__name__} had other attributes"
        for name, value in self.attributes.items():
            own = now[name]
            table = self.tables.get(name)
            if table is not None:
                if len(own) != len(table) or any(own.get(key, self) is not item for key, item in table.items()):
                    return f"{name.strip('_')} of {type(module).__name__} were others"
            elif not _same(own, value):
                return f"{name} of {type(module).__name__} was {_short(value)}, now it is {_short(own)}"
        return None
