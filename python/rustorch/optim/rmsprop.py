"""RMSprop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch.optim._steps import StepCounts, refuse_capturable
from rustorch.optim.optimizer import Optimizer, option


class RMSprop(Optimizer):
    """Steps by the gradient over the root of its mean square; `centered` takes the variance instead."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        if isinstance(lr, _core.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (
            ("learning rate:", lr),
            ("epsilon value:", eps),
            ("momentum value:", momentum),
            ("weight_decay value:", weight_decay),
            ("alpha value:", alpha),
        ):
            if not 0.0 <= value:
                raise ValueError(f"Invalid {name} {value}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        self._counts = StepCounts()
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("momentum", 0)
            group.setdefault("centered", False)
            group.setdefault("foreach", None)
            group.setdefault("maximize", False)
            group.setdefault("differentiable", False)
            group.setdefault("capturable", False)
        self._counts = StepCounts()
        self._counts.restore(self)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        return self._run_step(closure, self._update_group)

    def _new_state(self, param: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] = self._counts.start(param)
        state["square_avg"] = rt.zeros_like(param)
        if group["momentum"] > 0:
            state["momentum_buffer"] = rt.zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = rt.zeros_like(param)

    def _update_group(self, group: dict[str, Any], touched: list[Any]) -> None:
        refuse_capturable(group)
        lr, alpha, eps = option(group, "lr"), option(group, "alpha"), option(group, "eps")
        momentum, decay = option(group, "momentum"), option(group, "weight_decay")
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if not state:
                self._new_state(param, state, group)
            self._counts.advance(param, state["step"])
            if group["maximize"]:
                grad = -grad
            if decay != 0:
                grad = grad.add(param, alpha=decay)
            square = state["square_avg"]
            square.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
            touched += [square, param]
            if group["centered"]:
                mean = state["grad_avg"]
                mean.lerp_(grad, 1 - alpha)
                touched.append(mean)
                root = square.addcmul(mean, mean, value=-1).sqrt_()
            else:
                root = square.sqrt()
            root = root.add(eps)
            if momentum > 0:
                buffer = state["momentum_buffer"]
                buffer.mul_(momentum).addcdiv_(grad, root)
                touched.append(buffer)
                param.add_(buffer, alpha=-lr)
            else:
                param.addcdiv_(grad, root, value=-lr)


__all__ = ["RMSprop"]
