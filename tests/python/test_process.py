"""What Python may do to a process that computes: interrupt it, fork it, use many threads; what a defect does."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from parity.libs import MODULE

pytestmark = pytest.mark.skipif(MODULE != "rustorch", reason="about the machinery of rustorch")

# Seconds after which a process counts as stuck. What is run here takes seconds at most.
STUCK = 60


def script(body):
    return subprocess.Popen(
        [sys.executable, "-c", "import numpy as np\nimport rustorch as rt\n" + body],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process):
    try:
        out, err = process.communicate(timeout=STUCK)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return out.splitlines()


# What it works on, and what does not end by itself.
LONG = {
    # 2**40 sines, in one kernel.
    "kernel": ("x = rt.arange(2.0**20)", "(x[:, None] * x).sin().sum(1).realize()"),
    "products": ("x = rt.eye(1000) * 0.5", "while True: x = x @ x"),
    "shared": ("x = rt.from_numpy(np.ones(2**24, np.float32))", "while True: x.add_(1)"),
}


@pytest.mark.parametrize("name", LONG)
def test_ctrl_c_ends_what_runs_and_leaves_tensors_usable(name):
    setup, work = LONG[name]
    process = script(
        # A job in the background of a shell ignores interrupts, and so would what it starts.
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"kept = rt.arange(4.0) * 2\n{setup}\nprint('running', flush=True)\n"
        f"try:\n    {work}\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
        "print(kept.tolist(), (kept + 1).sum().item(), x[:1].shape)\n"
        "print((rt.ones(300, 300) @ rt.ones(300, 300)).sum().item())"
    )
    assert process.stdout.readline() == "running\n"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    first, second, third = finished(process)
    assert first == "interrupted"
    assert second.startswith("[0.0, 2.0, 4.0, 6.0] 16.0")
    assert float(third) == 300**3


def test_a_signal_handler_that_raises_is_what_the_caller_sees():
    setup, work = LONG["kernel"]
    process = script(
        "import signal\n"
        "class Alarm(Exception): pass\n"
        "def ring(*_): raise Alarm('now')\n"
        "signal.signal(signal.SIGALRM, ring)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.5)\n"
        f"{setup}\ntry:\n    {work}\n"
        "except Alarm as error:\n    print(error)\n"
    )
    assert finished(process) == ["now"]


def test_nothing_waits_for_a_tensor_whose_array_is_copied():
    """Reading shared memory runs, and running asks for the interpreter; the thread that has it may want the tensor."""
    process = script(
        "import threading\n"
        "array = np.ones(2**25, np.float32)\n"
        "x = rt.from_numpy(array)\n"
        "done = threading.Event()\n"
        "def look():\n"
        "    while not done.is_set():\n"
        "        x.shape, x[0], x.is_contiguous()\n"
        "thread = threading.Thread(target=look)\n"
        "thread.start()\n"
        "for _ in range(20):\n"
        "    x.realize()\n"
        "    x.add_(1)\n"
        "done.set()\n"
        "thread.join()\n"
        "print(x[0].item(), array[-1])"
    )
    assert finished(process) == ["21.0 21.0"]


def test_a_panic_becomes_an_exception(rt, capfd):
    x = rt.arange(3.0)
    y = x * 2
    with pytest.raises(rt.errors.RustorchError, match="internal error: out of order. This is a fault of rustorch"):
        rt._core._panic("out of order")
    capfd.readouterr()
    assert y.tolist() == [0, 2, 4]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_computes():
    process = script(
        "import os, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "def work():\n"
        "    x = rt.ones(512, 512, requires_grad=True)\n"
        "    (x @ x).tanh().sum().backward()\n"
        "    return (x.grad + rt.arange(512.0)).sum().item()\n"
        "want, pending = work(), rt.ones(1000) * 3\n"
        "children = []\n"
        "for _ in range(4):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os._exit(0 if work() == want and pending.sum().item() == 3000 else 1)\n"
        "    children.append(child)\n"
        "print([os.waitpid(child, 0)[1] for child in children])\n"
        "print(work() == want, pending.sum().item())"
    )
    assert finished(process) == ["[0, 0, 0, 0]", "True 3000.0"]


def in_threads(work, count=8):
    failures = []

    def guarded(number):
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(STUCK)
    assert not any(thread.is_alive() for thread in threads), "stuck"
    assert not failures, failures


def test_threads_compute_with_their_own_tensors(rt):
    def work(number):
        x = rt.full((64, 64), float(number + 1), requires_grad=True)
        for _ in range(20):
            x.grad = None
            (x @ x).sum().backward()
            assert x.grad[0, 0].item() == 128 * (number + 1)

    in_threads(work)


def test_threads_read_one_tensor(rt):
    """A value that several threads ask for at once is the same for all."""
    for _ in range(20):
        x = (rt.arange(10_000.0) * 2 + 1).sqrt().fmod(7)
        view, seen = x[::3], []
        in_threads(lambda _, x=x, view=view, seen=seen: seen.append((x.sum().item(), view.sum().item())))
        assert len(seen) == 8 and len(set(seen)) == 1


def test_threads_write_one_tensor(rt):
    """Which write wins is open; that each element is one that somebody wrote is not."""
    x = rt.zeros(1000)

    def work(number):
        for _ in range(50):
            x[number::8] = float(number + 1)
            assert x.max().item() <= 8

    in_threads(work)
    assert set(x.tolist()) <= set(range(9))


def test_threads_have_their_own_modes(rt):
    x = rt.ones(2, requires_grad=True)

    def work(number):
        for _ in range(200):
            with rt.no_grad() if number % 2 else rt.enable_grad():
                assert (x * 2).requires_grad == (number % 2 == 0)

    in_threads(work)
