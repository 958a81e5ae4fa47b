"""Attention with several heads, as a function of all weights."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rustorch as rt
from rustorch import _core

_nn = _core._nn


def canonical_mask(
    mask: Any, name: str, target_type: Any, other: Any = None, other_name: str = "", check_other: bool = True
) -> Any:
    """A mask as numbers that are added to scores: a bool mask hides what is True."""
    if mask is None:
        return None
    if mask.dtype != rt.bool and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if check_other and other is not None and mask.dtype != other.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    if mask.dtype == rt.bool:
        return rt.zeros_like(mask, dtype=target_type).masked_fill_(mask, -math.inf)
    return mask


def _check_ranks(query: Any, key: Any, value: Any, padding: Any, mask: Any, num_heads: int) -> bool:
    """Whether there is a batch; else torch's refusal."""
    rank = query.dim()
    if rank not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {rank}-D query tensor")
    case = f"For {'batched' if rank == 3 else 'unbatched'} ({rank}-D) `query`, expected"
    if key.dim() != rank or value.dim() != rank:
        raise AssertionError(
            f"{case} `key` and `value` to be {rank}-D but found {key.dim()}-D and {value.dim()}-D tensors respectively"
        )
    if padding is not None and padding.dim() != rank - 1:
        raise AssertionError(
            f"{case} `key_padding_mask` to be `None` or {rank - 1}-D but found {padding.dim()}-D tensor instead"
        )
    if mask is not None:
        if mask.dim() not in (2, 3):
            raise AssertionError(f"{case} `attn_mask` to be `None`, 2-D or 3-D but found {mask.dim()}-D tensor instead")
        expected = (num_heads, query.shape[0], key.shape[0])
        if rank == 2 and mask.dim() == 3 and tuple(mask.shape) != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {mask.shape}")
    return rank == 3


def _projected(query: Any, key: Any, value: Any, weight: Any, bias: Any) -> tuple[Any, Any, Any]:
    """By one weight for all three, in as few products as the operands allow."""
    linear = _nn.linear
    width = query.size(-1)
    if key is value and query is key:
        whole = linear(query, weight, bias)
        return tuple(whole.narrow(-1, i * width, width) for i in range(3))  # type: ignore[return-value]
    if key is value:
        w_q, w_kv = weight.split([width, 2 * width])
        b_q, b_kv = (None, None) if bias is None else bias.split([width, 2 * width])
        both = linear(key, w_kv, b_kv)
        return linear(query, w_q, b_q), both.narrow(-1, 0, width), both.narrow(-1, width, width)
    weights = weight.chunk(3)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
    return q, k, v


def _projected_apart(inputs: tuple[Any, Any, Any], weights: tuple[Any, Any, Any], bias: Any) -> tuple[Any, Any, Any]:
    width = inputs[0].size(-1)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    names = ("query", "key", "value")
    for name, x, w in zip(names, inputs, weights, strict=True):
        expected = (width, x.size(-1))
        if tuple(w.shape) != expected:
            raise AssertionError(f"expecting {name} weights shape of {expected}, but got {w.shape}")
    for name, b in zip(names, biases, strict=True):
        if b is not None and tuple(b.shape) != (width,):
            raise AssertionError(f"expecting {name} bias shape of {(width,)}, but got {b.shape}")
    q, k, v = (_nn.linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True))
    return q, k, v


def _checked_mask(mask: Any, queries: int, keys: int, matrices: int) -> Any:
    """(1 or B * heads, L, S)."""
    if mask.dim() == 2:
        if tuple(mask.shape) != (queries, keys):
            raise RuntimeError(f"The shape of the 2D attn_mask is {mask.shape}, but should be {(queries, keys)}.")
        return mask.unsqueeze(0)
    if mask.dim() != 3:
        raise RuntimeError(f"attn_mask's dimension {mask.dim()} is not supported")
    expected = (matrices, queries, keys)
    if tuple(mask.shape) != expected:
        raise RuntimeError(f"The shape of the 3D attn_mask is {mask.shape}, but should be {expected}.")
    return mask


def _wider(mask: Any) -> Any:
    """With one more key, which is seen."""
    return None if mask is None else rt.constant_pad_nd(mask, (0, 1))


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """Queries (L, B, E), keys and values (S, B, E) projected, attended to in heads, and projected back.

    Returns (L, B, E) and the weights (B, L, S), or (B, heads, L, S) unless averaged, or None.
    """
    batched = _check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same_key, same_value = key is query, value is key
        query = query.unsqueeze(1)
        key = query if same_key else key.unsqueeze(1)
        value = key if same_value else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    queries, batch, width = query.shape
    keys = key.shape[0]
    key_padding_mask = canonical_mask(key_padding_mask, "key_padding_mask", query.dtype, attn_mask, "attn_mask")
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None
    else:
        attn_mask = canonical_mask(attn_mask, "attn_mask", query.dtype, check_other=False)
        is_causal = False
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    head = width // num_heads
    if head * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
            )
        separate = {"q": q_proj_weight, "k": k_proj_weight, "v": v_proj_weight}
        for name, weight in separate.items():
            if weight is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        q, k, v = _projected_apart((query, key, value), weights, in_proj_bias)
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias)
    matrices = batch * num_heads
    if attn_mask is not None:
        attn_mask = _checked_mask(attn_mask, queries, keys, matrices)
    if (bias_k is None) != (bias_v is None):
        given, missing = ("bias_k", "bias_v") if bias_v is None else ("bias_v", "bias_k")
        raise AssertionError(f"{given} is set but {missing} is None")
    if bias_k is not None:
        for name, static in (("key", static_k), ("value", static_v)):
            if static is not None:
                raise AssertionError(f"bias cannot be added to static {name}.")
        k = rt.cat([k, bias_k.expand(1, batch, width)])
        v = rt.cat([v, bias_v.expand(1, batch, width)])
        attn_mask, key_padding_mask = _wider(attn_mask), _wider(key_padding_mask)

    def heads(x: Any) -> Any:
        return x.reshape(x.shape[0], matrices, head).transpose(0, 1)

    def given_or(name: str, given: Any, own: Any) -> Any:
        if given is None:
            return heads(own)
        for axis, expected in ((0, matrices), (2, head)):
            if given.size(axis) != expected:
                raise AssertionError(f"expecting static_{name}.size({axis}) of {expected}, but got {given.size(axis)}")
        return given

    q, k, v = heads(q), given_or("k", static_k, k), given_or("v", static_v, v)
    if add_zero_attn:
        nothing = rt.zeros((matrices, 1, head), dtype=k.dtype, device=k.device)
        k, v = rt.cat([k, nothing], dim=1), rt.cat([v, nothing], dim=1)
        attn_mask, key_padding_mask = _wider(attn_mask), _wider(key_padding_mask)
    keys = k.size(1)
    if key_padding_mask is not None:
        if tuple(key_padding_mask.shape) != (batch, keys):
            raise AssertionError(
                f"expecting key_padding_mask shape of {(batch, keys)}, but got {key_padding_mask.shape}"
            )
        hidden = key_padding_mask.view(batch, 1, 1, keys).expand(-1, num_heads, -1, -1)
        hidden = hidden.reshape(matrices, 1, keys)
        attn_mask = hidden if attn_mask is None else attn_mask + hidden
    dropout_p = dropout_p if training else 0.0
    attended, weights_seen = _attended((q, k, v), attn_mask, dropout_p, is_causal, need_weights, (batch, num_heads))
    out = _nn.linear(attended.reshape(queries, batch, width), out_proj_weight, out_proj_bias)
    if weights_seen is not None:
        if average_attn_weights:
            weights_seen = weights_seen.mean(dim=1)
        if not batched:
            weights_seen = weights_seen.squeeze(0)
    return (out if batched else out.squeeze(1)), weights_seen


def _attended(
    parts: tuple[Any, Any, Any],
    mask: Any,
    dropout_p: float,
    is_causal: bool,
    need_weights: bool,
    shape: tuple[int, int],
) -> tuple[Any, Any]:
    """(L, B * heads, head), and the weights (B, heads, L, S) if they are needed."""
    q, k, v = parts
    batch, num_heads = shape
    if not need_weights:
        q, k, v = (x.unflatten(0, shape) for x in parts)
        if mask is not None:
            mask = mask.unsqueeze(0) if mask.size(0) == 1 else mask.view(batch, num_heads, -1, k.size(2))
        out = _nn.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal)
        return out.permute(2, 0, 1, 3), None
    scores = rt.bmm(q * math.sqrt(1.0 / q.size(-1)), k.transpose(-2, -1))
    weights = _nn.softmax(scores if mask is None else mask + scores, -1)
    if dropout_p > 0.0:
        weights = _nn.dropout(weights, dropout_p, True)
    return rt.bmm(weights, v).transpose(0, 1), weights.unflatten(0, shape)


__all__ = ["canonical_mask", "multi_head_attention_forward"]
