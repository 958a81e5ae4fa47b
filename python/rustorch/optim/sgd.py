"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustorch import _core
from rustorch.optim.optimizer import Optimizer, check_flags, option


class SGD(Optimizer):
    """Gradient descent with momentum (plain or Nesterov's) and weight decay."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if isinstance(lr, _core.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_flags(foreach, fused, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("differentiable", False)
            group.setdefault("fused", False)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        return self._run_step(closure, self._update_group)

    def _update_group(self, group: dict[str, Any], touched: list[Any]) -> None:
        momentum = option(group, "momentum")
        nesterov = group["nesterov"]
        maximize = group["maximize"]
        keep = 1 - option(group, "dampening")
        lr = group["lr"]
        learned_lr = isinstance(lr, _core.Tensor) and lr.requires_grad and group["differentiable"]
        decay = group["weight_decay"]
        learned_decay = isinstance(decay, _core.Tensor) and decay.requires_grad and group["differentiable"]
        if not learned_lr:
            lr = -option(group, "lr")
        if not learned_decay:
            decay = option(group, "weight_decay")
        state_of = self.state
        touch = touched.append
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            if maximize:
                grad = -grad
            if learned_decay:
                grad = grad.addcmul(param.clone(), decay)
            elif decay != 0:
                grad = grad.add(param, alpha=decay)
            if momentum != 0:
                state = state_of[param]
                buffer = state.get("momentum_buffer")
                if buffer is None:
                    _core._capture_again()
                    buffer = state["momentum_buffer"] = grad.detach().clone()
                else:
                    buffer.mul_(momentum).add_(grad, alpha=keep)
                touch(buffer)
                grad = grad.add(buffer, alpha=momentum) if nesterov else buffer
            if learned_lr:
                param.addcmul_(grad, lr, value=-1)
            else:
                param.add_(grad, alpha=lr)
            touch(param)


__all__ = ["SGD"]
