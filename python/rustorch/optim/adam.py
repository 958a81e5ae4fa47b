"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch.optim._steps import StepCounts, refuse_capturable
from rustorch.optim.optimizer import Optimizer, check_flags, option


class Adam(Optimizer):
    """Adam; with `decoupled_weight_decay` the decay shrinks the parameters and leaves the moments alone (AdamW)."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, _core.Tensor):
            _check_tensor_option("lr", lr, foreach, capturable, differentiable)
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if not any(all(isinstance(beta, kind) for beta in betas) for kind in (float, _core.Tensor)):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas):
            if isinstance(beta, _core.Tensor):
                _check_tensor_option(f"betas[{i}]", beta, foreach, capturable, differentiable)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        self._counts = StepCounts()
        super().__init__(params, defaults)
        check_flags(foreach, fused, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("capturable", False)
            group.setdefault("differentiable", False)
            group.setdefault("decoupled_weight_decay", False)
            group.setdefault("fused", None)
        self._counts = StepCounts()
        self._counts.restore(self)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        return self._run_step(closure, self._update_group)

    def _new_state(self, param: Any, state: dict[str, Any], amsgrad: bool) -> None:
        state["step"] = self._counts.start(param)
        state["exp_avg"] = rt.zeros_like(param)
        state["exp_avg_sq"] = rt.zeros_like(param)
        if amsgrad:
            state["max_exp_avg_sq"] = rt.zeros_like(param)

    def _update_group(self, group: dict[str, Any], touched: list[Any]) -> None:
        refuse_capturable(group)
        beta1, beta2 = option(group, "betas", 0), option(group, "betas", 1)
        lr = option(group, "lr")
        eps = option(group, "eps")
        decay = option(group, "weight_decay")
        decoupled = group["decoupled_weight_decay"]
        amsgrad = group["amsgrad"]
        maximize = group["maximize"]
        differentiable = group["differentiable"]
        weight1 = 1 - beta1
        weight2 = 1 - beta2
        shrink = 1 - lr * decay
        state_of = self.state
        touch = touched.append
        advance = self._counts.advance
        last_count = step_size = root_correction = None
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = state_of[param]
            if not state:
                self._new_state(param, state, amsgrad)
            mean = state["exp_avg"]
            square = state["exp_avg_sq"]
            count = advance(param, state["step"])
            if last_count is None or (count is not last_count and count != last_count):
                last_count = count
                step_size = -(lr / (1 - beta1**count))
                root_correction = (1 - beta2**count) ** 0.5
            if maximize:
                grad = -grad
            if decay != 0:
                if decoupled:
                    param.mul_(shrink)
                else:
                    grad = grad.add(param, alpha=decay)
            mean.lerp_(grad, weight1)
            square.mul_(beta2).addcmul_(grad, grad, value=weight2)
            if amsgrad:
                largest = state["max_exp_avg_sq"]
                largest.copy_(rt.maximum(largest.clone() if differentiable else largest, square))
                touch(largest)
                denominator = (largest.sqrt() / root_correction).add_(eps)
            else:
                denominator = (square.sqrt() / root_correction).add_(eps)
            # A graph through the step needs the mean of this step after the next one has overwritten it.
            param.addcdiv_(mean.clone() if differentiable else mean, denominator, value=step_size)
            touch(mean)
            touch(square)
            touch(param)


def _check_tensor_option(name: str, value: Any, foreach: bool | None, capturable: bool, differentiable: bool) -> None:
    if foreach and not capturable:
        raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
    if value.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element")
    if differentiable and value.requires_grad:
        raise ValueError(f"gradients with respect to {name} are not supported; detach() it, or pass a number")


class AdamW(Adam):
    """Adam with weight decay that is applied to the parameters themselves."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


__all__ = ["Adam", "AdamW"]
