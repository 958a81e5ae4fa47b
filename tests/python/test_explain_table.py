"""The bookkeeping and the table of `explain`, over a native module that answers from a script."""

import sys
import types

import pytest
from pure import PACKAGE, submodule

explain = submodule("_explain")
errors = submodule("errors")

FUSED = {
    "name": "mul_relu_sum",
    "kind": "kernel",
    "reason": "output",
    "bytes_read": 4 * 1024 * 1024,
    "bytes_written": 4,
    "flops": 3_000_000,
    "seconds": 0.00125,
    "compile_seconds": 0.0007,
    "cached": False,
}
GEMM = FUSED | {
    "name": "gemm",
    "kind": "gemm",
    "reason": "heavy, read twice",
    "bytes_written": 1536,
    "flops": 0,
    "seconds": 85e-9,
    "compile_seconds": 0.0,
    "cached": True,
}
TABLE = """\
kernel        kind    materialised because     read  written  flops     run  compile
mul_relu_sum  kernel  output                4.0 MiB      4 B  3.0 M  1.2 ms   700 µs
gemm          gemm    heavy, read twice     4.0 MiB  1.5 KiB      0   85 ns   cached
2 kernels, 1 compile in 900 µs, 3 cache hits, 0 allocations, ran 1.3 ms"""


@pytest.fixture
def calls(monkeypatch):
    """The native calls in order, with a trace of two kernels."""
    log = []
    core = types.ModuleType("core")
    core._flush = lambda: log.append("flush")
    core._trace_begin = lambda: log.append("begin")

    def trace_end():
        log.append("end")
        return {
            "kernels": [FUSED, GEMM],
            "compiles": 1,
            "allocations": 0,
            "cache_hits": 3,
            "compile_seconds": 0.0009,
            "run_seconds": 0.0013,
        }

    core._trace_end = trace_end
    monkeypatch.setitem(sys.modules, f"{PACKAGE}._core", core)
    return log


def test_results_are_computed_within_the_trace(calls, capsys):
    def add(a, *, b):
        calls.append("call")
        return a + b

    explained = explain.explain(add)
    explanation = explained(1, b=2)
    assert calls == ["flush", "begin", "call", "flush", "end"]
    assert explained.__name__ == "add"
    assert explanation.result == 3
    assert [kernel.name for kernel in explanation.kernels] == ["mul_relu_sum", "gemm"]
    assert (explanation.compiles, explanation.allocations, explanation.cache_hits) == (1, 0, 3)
    assert (explanation.compile_seconds, explanation.run_seconds) == (0.0009, 0.0013)
    assert capsys.readouterr().out == TABLE + "\n" == f"{explanation}\n"


def test_the_trace_ends_when_the_function_fails(calls):
    def fail():
        raise KeyError("x")

    for _ in range(2):
        with pytest.raises(KeyError):
            explain.explain(fail)()
    assert calls == ["flush", "begin", "end"] * 2


def test_one_at_a_time(calls):
    inner = explain.explain(lambda: None)
    with pytest.raises(errors.InvalidArgumentError, match="under way"):
        explain.explain(inner)()
    assert explain.explain(lambda: 5)().result == 5


def test_nothing_ran():
    text = str(explain.Explanation(None, [], 0, 0, 0, 0.0, 0.0))
    assert text == "0 kernels, 0 compiles in 0 s, 0 cache hits, 0 allocations, ran 0 s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1e-9, "1 ns"), (999e-9, "999 ns"), (999.9e-9, "1.0 µs"), (0.0999, "99.9 ms"), (0.25, "250 ms"), (90, "90.0 s")],
)
def test_durations(seconds, text):
    assert explain.duration(seconds) == text
