"""Seeing inside: what ``explain``, ``stats``, ``ir`` and dumps say is what happened."""

import os
import re
import subprocess
import sys
import threading
import time

import pytest


def run(program, **environment):
    """The program's output in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def difference(rt, work):
    before = rt.stats()
    work()
    after = rt.stats()
    return {name: after[name] - before[name] for name in after}


@pytest.fixture(autouse=True)
def nothing_pending(rt):
    rt.synchronize()


# ---- explain


def test_bytes_and_operations_of_an_elementwise_kernel(rt):
    x, y = rt.ones(1003, 7).realize(), rt.ones(1003, 7).realize()
    (kernel,) = rt.explain(lambda: x * y + 2)().kernels
    size = 1003 * 7
    assert (kernel.bytes_read, kernel.bytes_written, kernel.flops) == (8 * size, 4 * size, 2 * size)
    assert (kernel.kind, kernel.reason) == ("fused", "output")


def test_what_is_read_again_counts_once(rt):
    x, row = rt.ones(100, 64).realize(), rt.ones(64).realize()
    (kernel,) = rt.explain(lambda: x + row)().kernels
    assert (kernel.bytes_read, kernel.bytes_written, kernel.flops) == (4 * 6400 + 4 * 64, 4 * 6400, 6400)


def test_views_read_what_they_show(rt):
    x = rt.ones(100, 64).realize()
    (kernel,) = rt.explain(lambda: x[:10] * 2)().kernels
    assert (kernel.bytes_read, kernel.bytes_written) == (2560, 2560)
    (kernel,) = rt.explain(lambda: x[::2, 0] * 2)().kernels
    assert (kernel.bytes_read, kernel.bytes_written) == (200, 200)


def test_a_reduction_counts_its_additions(rt):
    x = rt.ones(64, 100).realize()
    (kernel,) = rt.explain(lambda: x.sum(1))().kernels
    assert (kernel.bytes_read, kernel.bytes_written) == (25600, 256)
    # A row takes as many additions as it has elements, and fewer than 40 to combine up to 32 lanes.
    assert 64 * 99 <= kernel.flops < 64 * 140


def test_a_product_with_its_epilogue_is_one_entry(rt):
    x, w, bias = rt.ones(32, 64).realize(), rt.ones(128, 64).realize(), rt.ones(128).realize()
    (kernel,) = rt.explain(lambda: rt.nn.functional.linear(x, w, bias).relu())().kernels
    assert kernel.kind == "gemm"
    out = 4 * 32 * 128
    assert kernel.bytes_written == 2 * out  # the product and what its epilogue makes of it
    assert kernel.bytes_read == 4 * (32 * 64 + 128 * 64 + 128) + out
    assert kernel.flops >= 2 * 32 * 64 * 128 + 32 * 128
    assert "product by a host routine" in kernel.reason


def test_times_are_measured(rt):
    a, b = rt.ones(600, 600).realize(), rt.ones(4).realize()

    def work():
        large, small = a @ a, b * 3
        return large.realize(), small.realize()

    rt.explain(work)()
    began = time.perf_counter()
    seen = rt.explain(work)()
    whole = time.perf_counter() - began
    large, small = seen.kernels
    assert large.seconds > 20 * small.seconds > 0
    assert large.seconds + small.seconds <= seen.run_seconds < whole
    assert seen.compile_seconds == 0 and seen.compiles == 0 and seen.cache_hits == 2


def test_compilation_is_measured_for_each_kernel(rt):
    x = rt.ones(37, 41).realize()
    seen = rt.explain(lambda: (x * 1.5 - x).tanh().sum())()
    assert seen.compiles == 1
    assert all(not kernel.cached and kernel.compile_seconds > 0 for kernel in seen.kernels)
    assert sum(kernel.compile_seconds for kernel in seen.kernels) < seen.compile_seconds
    again = rt.explain(lambda: (x * 1.5 - x).tanh().sum())()
    assert (again.compiles, again.cache_hits) == (0, 1)
    assert all(kernel.cached and kernel.compile_seconds == 0 for kernel in again.kernels)


def test_a_kernel_known_from_another_graph_is_cached(rt):
    x, y = rt.ones(301).realize(), rt.ones(301, 1).realize()
    rt.explain(lambda: x * 1.25 + 4)()
    seen = rt.explain(lambda: y * 1.25 + 4)()
    assert (seen.compiles, [kernel.cached for kernel in seen.kernels]) == (1, [True])


def test_entries_are_launches(rt):
    x = rt.ones(64, 64).realize()

    def work():
        return ((x @ x).softmax(-1) @ x).sum(), x.argmax(0)

    work()[0].item()
    rt.synchronize()
    for _ in range(2):
        seen = None

        def explained():
            nonlocal seen
            seen = rt.explain(work)()

        assert difference(rt, explained)["launches"] == len(seen.kernels) > 0


def test_allocations_are_those_of_the_call(rt):
    x = rt.ones(1000, 1000).realize()
    seen = None

    def explained():
        nonlocal seen
        seen = rt.explain(lambda: [x * number for number in range(40)])()

    assert difference(rt, explained)["allocations"] == seen.allocations > 0


def test_other_threads_do_not_show(rt):
    x = rt.ones(50, 50).realize()
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            (rt.ones(11, 3) * 2).sum().item()

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        seen = [rt.explain(lambda: x * 2 + 1)() for _ in range(20)]
    finally:
        stop.set()
        thread.join()
    assert all(len(one.kernels) == 1 and one.compiles + one.cache_hits == 1 for one in seen)


def test_what_failed_shows_what_ran(rt):
    x, index = rt.ones(4).realize(), rt.tensor([1, 9]).realize()

    def work():
        with pytest.raises(IndexError):
            rt.gather(x, 0, index + 0).tolist()
        return x

    assert difference(rt, work)["launches"] <= 1
    assert rt.explain(work)().result is x


# ---- stats


def test_each_counter(rt):
    x = rt.ones(123, 17).realize()

    def record():
        nonlocal y
        y = (x * 3.5 + 1).sum(0)

    y = None
    seen = difference(rt, record)
    assert seen["nodes_pending"] > 0
    assert (seen["compiles"], seen["launches"], seen["cache_hits"]) == (0, 0, 0)
    pending = seen["nodes_pending"]
    seen = difference(rt, lambda: y.realize())
    assert (seen["compiles"], seen["launches"], seen["cache_hits"]) == (1, 1, 0)
    assert seen["nodes_pending"] == -pending
    assert seen["bytes_live"] >= 17 * 4

    def again():
        nonlocal y
        y = (x * 2.5 + 7).sum(0).realize()

    seen = difference(rt, again)
    assert (seen["compiles"], seen["launches"], seen["cache_hits"], seen["nodes_pending"]) == (0, 1, 1, 0)
    assert seen["bytes_live"] == 0
    assert rt.stats()["interpreted"] == 0


def test_memory_is_counted(rt):
    x = None

    def make():
        nonlocal x
        x = rt.rand(1 << 20)
        x.realize()

    def drop():
        nonlocal x
        x = None

    assert difference(rt, make)["bytes_live"] == 4 << 20
    assert rt.stats()["bytes_peak"] >= rt.stats()["bytes_live"] >= 4 << 20
    peak = rt.stats()["bytes_peak"]
    assert difference(rt, drop)["bytes_live"] == -(4 << 20)
    assert rt.stats()["bytes_peak"] == peak


# ---- ir, realize, synchronize, eager


def test_ir_is_what_is_pending(rt):
    x = rt.ones(3, 4).realize()
    y = x * 2 + x
    text = y.ir()
    input = re.search(r"(%\d+) = input<0, f32, \[3, 4\], strides=\[4,1\]> : f32\[3, 4\]\n", text)[1]
    assert re.search(rf"(%\d+) = mul {input}, %\d+ : f32\[3, 4\]\n(%\d+) = add \1, {input} : f32.*\nreturn \2\n$", text)
    assert "= scalar<0, f32> : f32[]\n" in text
    assert y.realize() is y
    assert "mul" not in y.ir()


def test_synchronize_computes_for_all_threads(rt):
    rt.synchronize()
    # What only a graph of gradients still holds, in another test's leavings, is nobody's value.
    others = rt.stats()["nodes_pending"]
    made, go = [], threading.Event()

    def work():
        made.append(rt.ones(4) * 3)
        go.wait()

    thread = threading.Thread(target=work)
    thread.start()
    while not made:
        time.sleep(0.001)
    ended = threading.Thread(target=lambda: made.append(rt.ones(5) * 4))
    ended.start()
    ended.join()
    try:
        mine = rt.ones(6) * 5
        assert rt.stats()["nodes_pending"] > others
        rt.synchronize()
        assert rt.stats()["nodes_pending"] == others
        seen = difference(rt, lambda: [x.tolist() for x in (*made, mine)])
        assert seen["launches"] == 0
    finally:
        go.set()
        thread.join()


EAGER = """
import rustorch as rt
print(rt.is_eager())
x = rt.ones(4)
x.add_(1)
x[1:3] = 7
y = x.view(2, 2).t() * 2
y.requires_grad_()
(y * y).sum().backward()
print(rt.stats()["nodes_pending"], y.grad.tolist())
"""


@pytest.mark.parametrize(("setting", "eager"), [("1", True), ("0", False), ("", False)])
def test_eager_by_environment(setting, eager):
    mode, rest = run(EAGER, RUSTORCH_EAGER=setting).splitlines()
    assert mode == str(eager)
    pending, gradient = rest.split(maxsplit=1)
    assert (pending == "0") == eager
    assert gradient == "[[8.0, 28.0], [28.0, 8.0]]"


# ---- dumps

PROGRAM = """
import rustorch as rt
x = rt.ones(40, 30).realize()
(x * 2).softmax(-1).sum(0).tolist()
(x @ rt.ones(30, 50)).relu().tolist()
"""


def test_dumps_by_environment(tmp_path):
    directory = tmp_path / "new" / "dump"
    run(PROGRAM, RUSTORCH_DUMP=str(directory))
    names = sorted(path.name for path in directory.iterdir())
    units = {name[:4] for name in names}
    assert len(units) >= 3
    for unit in units:
        stages = [name.split("-", 2)[2] for name in names if name.startswith(unit)]
        assert stages[:3] == ["extracted.ir", "rewritten.ir", "fused.ir"]
        assert {"lowered.loops", "vectorized.loops", "strips.loops", "expanded.loops", "plan.txt"} <= set(stages)
        assert {"k0.clif", "k0.asm"} <= set(stages)
    asm = "".join(path.read_text() for path in directory.glob("*.asm"))
    assert re.search(r"\bv?mulps\b|\bfmul\b", asm)


def test_a_dump_that_cannot_be_written_stops_nothing(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    assert run("import rustorch as rt; print((rt.ones(2) * 3).tolist())", RUSTORCH_DUMP=str(file)) == "[3.0, 3.0]\n"


def test_a_loss_is_walked_along_its_rows(tmp_path):
    """It is a sum over rows, but no lanes go from row to row."""
    program = (
        "import rustorch as rt\n"
        "rt.set_num_threads(1)\n"
        "x, classes = rt.randn(1024, 1024), rt.randint(0, 1024, (1024,))\n"
        "x.realize(), classes.realize()\n"
        "rt.nn.functional.cross_entropy(x, classes).realize()\n"
    )
    run(program, RUSTORCH_DUMP=str(tmp_path))
    text = "".join(path.read_text() for path in tmp_path.glob("*-vectorized.loops"))
    assert "math exp" in text and "by 1024]" not in text
