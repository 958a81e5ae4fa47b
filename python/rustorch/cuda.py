"""What programs ask before they choose a device: there is none but the CPU."""

from __future__ import annotations

from typing import Any

__all__ = ["device_count", "empty_cache", "is_available", "is_bf16_supported", "manual_seed", "manual_seed_all"]


def is_available() -> bool:
    return False


def device_count() -> int:
    return 0


def is_bf16_supported(*args: Any) -> bool:
    return False


def empty_cache() -> None:
    """Frees nothing, as in torch on a machine without such a device."""


def manual_seed(seed: int) -> None:
    """Seeds no device, as in torch on a machine without one."""


def manual_seed_all(seed: int) -> None:
    """Seeds no device, as in torch on a machine without one."""
