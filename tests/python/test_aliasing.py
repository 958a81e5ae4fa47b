"""Views and in-place writes on shared storages: random programs, and the known hard cases one by one."""

import os

import pytest
import torch
from parity.libs import Lib
from parity.programs import Generator, execute, mismatch, shrink

PROGRAMS = int(os.environ.get("RUSTORCH_FUZZ_PROGRAMS", "96"))
FIRST = int(os.environ.get("RUSTORCH_FUZZ_SEED", "0"))
GROUP = 8


def verify(lines, lib, oracle):
    __tracebackhide__ = True
    if mismatch(lines, lib, oracle):
        short = shrink(lines, lib, oracle)
        listing = "\n".join(f"{number + 1:3} {line}" for number, line in enumerate(short))
        pytest.fail(f"{mismatch(short, lib, oracle)}\nThe program, shrunk:\n{listing}", pytrace=False)


@pytest.mark.parametrize("first", range(FIRST, FIRST + PROGRAMS, GROUP))
@pytest.mark.parametrize("grad", [False, True], ids=["values", "autograd"])
def test_random_programs(grad, first, lib, oracle):
    for seed in range(first, first + GROUP):
        verify(Generator(seed, grad).program(length=25 if grad else 40), lib, oracle)


PROGRAM_TEXTS = {
    "write through a view reaches the base": "t0 = rt.zeros(2, 3); t1 = t0[0]; t1.add_(1)",
    "a write reaches views made before": "t0 = rt.zeros(4); t1 = t0[1:]; t2 = t1 * 2; t0.fill_(3); t3 = t1 * 2",
    "a value computed before a write keeps the old one": "t0 = rt.ones(3); t1 = t0 + 1; t0.mul_(5)",
    "view of a view of a transposed base": "t0 = rt.zeros(3, 4); t1 = t0.t()[1:].t(); t1[:, 0] = 7; t1.view(-1)",
    "reshape that must copy does not alias": "t0 = rt.zeros(3, 4); t1 = t0.t().reshape(-1); t1.fill_(1)",
    "contiguous aliases when it already is": "t0 = rt.zeros(3, 4); t1 = t0.contiguous(); t1.fill_(1)",
    "to the same dtype is the same tensor": "t0 = rt.zeros(3); t1 = t0.to(rt.float32); t1.fill_(1)",
    "to another dtype is a copy": "t0 = rt.zeros(3); t1 = t0.to(rt.float64); t1.fill_(1)",
    "detach shares": "t0 = rt.zeros(3, requires_grad=True); t1 = t0.detach(); t1.fill_(1)",
    "clone does not share": "t0 = rt.zeros(3); t1 = t0.clone(); t1.fill_(1)",
    "swap of rows": "t0 = rt.arange(6.).reshape(2, 3); t1 = t0[0].clone(); t0[0] = t0[1]; t0[1] = t1",
    "self assignment of a row": "t0 = rt.arange(6.).reshape(2, 3); t0[0] = t0[0]; t0[:] = t0",
    "overlapping slices": "t0 = rt.arange(6.); t0[1:].add_(t0[:-1])",
    "add a tensor to itself": "t0 = rt.arange(4.); t0 += t0; t0.mul_(t0)",
    "expanded target": "t0 = rt.zeros(1).expand(3); t0.add_(1)",
    "broadcast source from the same storage": "t0 = rt.arange(6.).reshape(2, 3); t0.sub_(t0[0].clone())",
    "diagonal": "t0 = rt.zeros(3, 3); t0.diagonal().fill_(2); t1 = t0.diagonal(1); t1 += 1",
    "as_strided": "t0 = rt.arange(10.); t1 = t0.as_strided((3, 2), (3, 1), 1); t1.mul_(10)",
    "mask on a view": "t0 = rt.arange(10.); t1 = t0[::2]; t1[t1 > 3] = -1",
    "index tensor on a view": "t0 = rt.zeros(3, 4); t1 = t0[:, 1:3]; t1[rt.tensor([0, 2])] = 5",
    "chunk": "t0 = rt.zeros(6); t1, t2 = t0.chunk(2); t1.add_(1); t2.sub_(1)",
    "unbind": "t0 = rt.zeros(2, 3); t1, t2 = t0.unbind(); t2.add_(t1 + 4)",
    "squeeze and unsqueeze": "t0 = rt.zeros(1, 3); t1 = t0.squeeze(0).unsqueeze(1); t1.add_(2)",
    "in-place that changes the dtype": "t0 = rt.arange(3); t0.add_(0.5)",
    "in-place that would broadcast itself": "t0 = rt.zeros(3); t0.add_(rt.zeros(2, 3))",
    "zero-dimensional view": "t0 = rt.zeros(3); t1 = t0[1]; t1 += 5",
    "empty slice": "t0 = rt.zeros(3); t0[3:].add_(1); t0[1:1] = 4",
    "leaf in place": "t0 = rt.zeros(3, requires_grad=True); t0.add_(1)",
    "leaf in place without grad": "t0 = rt.zeros(3, requires_grad=True)\nwith rt.no_grad(): t0.add_(1)",
    "view of a leaf in place": "t0 = rt.zeros(3, requires_grad=True); t0[0].add_(1)",
    "non-leaf in place": "t0 = rt.ones(3, requires_grad=True); t1 = t0 * 2; t1.mul_(t1.detach()); t1.sum().backward()",
    "view of a non-leaf in place": "t0 = rt.ones(4, requires_grad=True); t1 = t0 * 2; t2 = t1[1:3]; t2.mul_(3)\n"
    "(t1 * t1).sum().backward()",
    "base in place after a view": "t0 = rt.ones(4, requires_grad=True); t1 = t0 * 2; t2 = t1[1:3]; t1.mul_(3)\n"
    "(t2 * t2).sum().backward()",
    "saved value overwritten": "t0 = rt.ones(3, requires_grad=True); t1 = t0.exp(); t1.add_(1)\nt1.sum().backward()",
    "saved operand overwritten": "t0 = rt.ones(3, requires_grad=True); t1 = rt.ones(3); t2 = t0 * t1; t1.add_(1)\n"
    "t2.sum().backward()",
    "saved through a view overwritten": "t0 = rt.ones(4, requires_grad=True); t1 = t0 * 1; t2 = t1.sin(); t1[0] = 5\n"
    "t2.sum().backward()",
    "unsaved operand overwritten": "t0 = rt.ones(3, requires_grad=True); t1 = rt.ones(3); t2 = t0 + t1; t1.add_(1)\n"
    "t2.sum().backward()",
    "saved result of relu overwritten": "t0 = rt.ones(3, requires_grad=True); t1 = t0.relu(); t1.mul_(2)\n"
    "t1.sum().backward()",
    "saved by detach overwritten": "t0 = rt.ones(3, requires_grad=True); t1 = t0.tanh(); t1.detach().zero_()\n"
    "t1.sum().backward()",
    "graph freed twice": "t0 = rt.ones(3, requires_grad=True); t1 = (t0 * t0).sum(); t1.backward()\nt1.backward()",
    "graph kept": "t0 = rt.ones(3, requires_grad=True); t1 = (t0 * t0).sum(); t1.backward(retain_graph=True)\n"
    "t1.backward()",
    "graph without saved values twice": "t0 = rt.ones(3, requires_grad=True); t1 = (t0 + 2).sum(); t1.backward()\n"
    "t1.backward()",
    "shared part freed": "t0 = rt.ones(3, requires_grad=True); t1 = t0.exp(); t2 = t1.sum(); t3 = (t1 * 2).sum()\n"
    "t2.backward()\nt3.backward()",
    "grad accumulates": "t0 = rt.ones(3, requires_grad=True); (t0 * 2).sum().backward(); (t0 * 3).sum().backward()",
    "masked fill of a non-leaf": "t0 = rt.ones(3, requires_grad=True); t1 = t0 * 2; t1[t1 > 1] = 0\n"
    "t1.sum().backward()",
    "copy_ gives gradient to the source": "t0 = rt.ones(3, requires_grad=True); t1 = rt.zeros(2, 3); t1[0].copy_(t0)\n"
    "(t1 * 5).sum().backward()",
    "setitem gives gradient to both": "t0 = rt.ones(3, requires_grad=True); t1 = rt.ones(1, requires_grad=True)\n"
    "t2 = t0 * 2; t2[1:2] = t1 * 3; (t2 * t2).sum().backward()",
    "multi-output view in place": "t0 = rt.ones(4, requires_grad=True); t1 = t0 * 1; t2, t3 = t1.chunk(2)\nt2.add_(1)",
    "view made without grad": "t0 = rt.ones(4, requires_grad=True); t1 = t0 * 1\nwith rt.no_grad(): t2 = t1[0]\n"
    "t2.add_(1)",
    "requires_grad_ on a view of data": "t0 = rt.ones(4); t1 = t0[1:]; t1.requires_grad_(); (t1 * 2).sum().backward()",
    "in-place makes a plain tensor require grad": "t0 = rt.ones(3, requires_grad=True); t1 = rt.zeros(3); t2 = t1[1:]\n"
    "t1.add_(t0); (t2 * 3).sum().backward()",
}


@pytest.mark.parametrize("name", PROGRAM_TEXTS)
def test_program(name, lib, oracle):
    verify([part for line in PROGRAM_TEXTS[name].split("\n") for part in _statements(line)], lib, oracle)


def _statements(line):
    """A line of simple statements is one program step each; a `with` line is one step."""
    return [line] if line.startswith("with") else [part.strip() for part in line.split("; ")]


class CopyingTensor(torch.Tensor):
    """A tensor whose `transpose` owns its memory."""

    def transpose(self, *axes):
        return super().transpose(*axes).clone()


class CopyingModule:
    """torch, except that it makes such tensors."""

    def __getattr__(self, name):
        return getattr(torch, name)

    @staticmethod
    def zeros(*shape):
        return torch.zeros(*shape).as_subclass(CopyingTensor)


def test_planted_fault_is_found_and_shrunk(oracle):
    text = "t0 = rt.zeros(2, 3); t9 = rt.ones(4); t1 = t0.transpose(0, 1); t9.mul_(2); t1.add_(1); t8 = t9[1:]"
    lines = _statements(text)
    spoiled = Lib(CopyingModule(), "rt")
    assert mismatch(lines, oracle, oracle) is None
    assert mismatch(lines, spoiled, oracle)
    short = shrink(lines, spoiled, oracle)
    assert short == ["t0 = rt.zeros(2, 3)", "t1 = t0.transpose(0, 1)", "t1.add_(1)"]


def test_programs_mostly_succeed(oracle):
    """Random programs would test little if most lines raised."""
    raised = total = 0
    for seed in range(40):
        space = {"rt": oracle.module}
        for line in Generator(seed, seed % 2 == 1).program(30):
            if line != "check":
                total += 1
                raised += execute(line, space) is not None
    assert raised < 0.3 * total, f"{raised} of {total} lines raise"
