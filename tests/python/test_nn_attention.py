"""Attention with heads and what is built of it: weights, masks, states, texts, steps of training."""

import pytest
from side_by_side import RT, check
from test_nn_layers import signal

ATTENTION = {
    "plain": {},
    "batch_first": {"batch_first": True},
    "no_bias": {"bias": False},
    "bias_kv": {"add_bias_kv": True},
    "zero": {"add_zero_attn": True},
    "bias_kv_zero": {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    "kdim": {"kdim": 5, "vdim": 3},
    "kdim_no_bias": {"kdim": 5, "bias": False},
}
CALLS = {
    "weights": {},
    "each": {"average_attn_weights": False},
    "none": {"need_weights": False},
    "mask": {"attn_mask": "bool"},
    "mask_none": {"attn_mask": "float", "need_weights": False},
    "mask_3d": {"attn_mask": "heads", "need_weights": False},
    "padding": {"key_padding_mask": "bool"},
    "padding_none": {"key_padding_mask": "bool", "need_weights": False, "attn_mask": "bool"},
}


def masks(n, options, heads, queries, keys, batch):
    options = dict(options)
    if "attn_mask" in options:
        kind = options["attn_mask"]
        shape = (batch * heads, queries, keys) if kind == "heads" else (queries, keys)
        mask = signal(n, *shape)
        options["attn_mask"] = mask if kind == "float" else mask > 1
    if "key_padding_mask" in options:
        padding = n.zeros(batch, keys, dtype=n.bool)
        padding[0, -1] = True
        options["key_padding_mask"] = padding
    return options


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ATTENTION)
def test_attention(name, call):
    options = ATTENTION[name]

    def run(n):
        layer = n.nn.MultiheadAttention(8, 2, **options)
        turn = (1, 0, 2) if options.get("batch_first") else (0, 1, 2)
        shapes = [(4, 3, 8), (5, 3, options.get("kdim", 8)), (5, 3, options.get("vdim", 8))]
        q, k, v = (signal(n, *shape).permute(turn).detach().requires_grad_() for shape in shapes)
        y, weights = layer(q, k, v, **masks(n, CALLS[call], 2, 4, 5, 3))
        (y * signal(n, *y.shape).cos()).sum().backward()
        return [
            repr(layer),
            layer.state_dict(),
            y,
            weights,
            q.grad,
            k.grad,
            v.grad,
            [p.grad for p in layer.parameters()],
        ]

    check(run, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("need_weights", [True, False])
def test_attention_to_itself_without_a_batch(need_weights):
    def run(n):
        layer = n.nn.MultiheadAttention(8, 4)
        x = signal(n, 5, 8).requires_grad_()
        y, weights = layer(x, x, x, need_weights=need_weights)
        mask = n.nn.Transformer.generate_square_subsequent_mask(5)
        later, _ = layer(x, x, x, attn_mask=mask, is_causal=True, need_weights=need_weights)
        (y + later).sum().backward()
        return [y, later, weights, mask, x.grad, layer.in_proj_weight.grad]

    check(run, rtol=1e-4, atol=1e-5)


def test_a_memory_read_twice():
    """Keys that are the values are projected together."""

    def run(n):
        layer = n.nn.MultiheadAttention(8, 2)
        q, m = signal(n, 4, 3, 8).requires_grad_(), signal(n, 5, 3, 8).requires_grad_()
        y, _ = layer(q, m, m)
        y.sum().backward()
        return [y, q.grad, m.grad]

    check(run, rtol=1e-4, atol=1e-5)


def test_dropout_of_weights():
    F = RT.nn.functional
    q = RT.rand(2, 2, 6, 4, requires_grad=True)
    RT.manual_seed(3)
    y = F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)
    (grad,) = RT.autograd.grad(y.sum(), q)
    # The gradient belongs to the very weights that were dropped: compare with a difference of the same draw.
    step = RT.zeros_like(q)
    step[0, 1, 2, 3] = 1e-2
    values = []
    for sign in (1, -1):
        RT.manual_seed(3)
        moved = q.detach() + sign * step
        values.append(F.scaled_dot_product_attention(moved, moved, moved, dropout_p=0.5).double().sum().item())
    assert abs((values[0] - values[1]) / 2e-2 - grad[0, 1, 2, 3].item()) < 2e-2
    ones = RT.ones(1, 1, 400, 1)
    kept = F.scaled_dot_product_attention(RT.zeros(1, 1, 400, 1), RT.zeros(1, 1, 400, 1), ones, dropout_p=0.25)
    assert abs(kept.mean().item() - 1) < 0.02


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.3}], ids=str)
def test_second_derivatives(options):
    """By differences: torch's routine has none."""
    q, k, v = (signal(RT, 2, 3, 4).double() * s for s in (0.5, 0.7, 0.9))
    leaves = [x.requires_grad_() for x in (q, k, v)]
    attention = RT.nn.functional.scaled_dot_product_attention
    assert RT.autograd.gradgradcheck(lambda *qkv: attention(*qkv, **options), leaves)


def small(n, kind, **options):
    layer = getattr(n.nn, f"Transformer{kind}Layer")
    return layer(8, 2, dim_feedforward=16, dropout=0.0, **options)


LAYERS = {
    "relu": {},
    "gelu": {"activation": "gelu"},
    "norm_first": {"norm_first": True},
    "batch_first": {"batch_first": True, "bias": False},
    "eps": {"layer_norm_eps": 1e-2},
}


@pytest.mark.parametrize("name", LAYERS)
def test_encoder_layer(name):
    def run(n):
        layer = small(n, "Encoder", **LAYERS[name])
        seen = [repr(layer), list(layer.state_dict())]
        optimizer = n.optim.SGD(layer.parameters(), lr=0.05)
        for _ in range(3):
            x = signal(n, 5, 3, 8).requires_grad_()
            y = layer(x, src_mask=n.triu(n.ones(*(2 * (3 if LAYERS[name].get("batch_first") else 5,))), 1) > 0)
            optimizer.zero_grad()
            (y * signal(n, *y.shape).cos()).sum().backward()
            optimizer.step()
            seen += [y, x.grad]
        return [*seen, layer.state_dict()]

    check(run, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_decoder_layer(name):
    def run(n):
        layer = small(n, "Decoder", **LAYERS[name])
        x, memory = signal(n, 3, 3, 8).requires_grad_(), signal(n, 3, 3, 8).cos().requires_grad_()
        mask = n.nn.Transformer.generate_square_subsequent_mask(3)
        y = layer(x, memory, tgt_mask=mask, tgt_is_causal=True)
        (y * signal(n, *y.shape).cos()).sum().backward()
        return [repr(layer), layer.state_dict(), y, x.grad, memory.grad]

    check(run, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("batch_first", [True, False])
def test_encoder_with_padding(batch_first):
    def run(n):
        encoder = n.nn.TransformerEncoder(small(n, "Encoder", batch_first=batch_first), 2, n.nn.LayerNorm(8))
        x = signal(n, 3, 5, 8)
        x = x if batch_first else x.transpose(0, 1)
        padding = n.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] * 4 + [True]])
        trained = encoder(x, src_key_padding_mask=padding)
        encoder.eval()
        with n.no_grad():
            evaluated = encoder(x, src_key_padding_mask=padding)
        return [list(encoder.state_dict()), trained, evaluated, encoder.use_nested_tensor]

    # torch warns of nested tensors, which are a prototype there; none are made here.
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_values(run)


def check_values(run):
    import torch
    from side_by_side import plain, same

    results = []
    for lib in (RT, torch):
        lib.manual_seed(0)
        results.append(plain(lib, run(lib)))
    same(*results, rtol=1e-3, atol=1e-4)


def test_encoder_says_why_not():
    check(lambda n: repr(n.nn.TransformerEncoder(small(n, "Encoder", norm_first=True), 1)))


@pytest.mark.parametrize("batch_first", [True, False])
def test_transformer(batch_first):
    def run(n):
        model = n.nn.Transformer(8, 2, 2, 2, 16, dropout=0.0, batch_first=batch_first)
        seen = [{name: value.clone() for name, value in model.state_dict().items()}, repr(model)]
        # Not Adam: it makes steps of the noise in the gradient of the keys' bias, which is 0.
        optimizer = n.optim.SGD(model.parameters(), lr=0.05)
        mask = n.nn.Transformer.generate_square_subsequent_mask(4)
        shapes = [(3, 5, 8), (3, 4, 8)] if batch_first else [(5, 3, 8), (4, 3, 8)]
        for _ in range(3):
            src, tgt = (signal(n, *shape) for shape in shapes)
            y = model(src, tgt, tgt_mask=mask)
            optimizer.zero_grad()
            (y * signal(n, *y.shape).cos()).sum().backward()
            optimizer.step()
            seen.append(y)
        return seen

    check(run, rtol=1e-3, atol=1e-4)


WRONG = {
    "heads": (AssertionError, lambda n: n.nn.MultiheadAttention(8, 3)),
    "size": (ValueError, lambda n: n.nn.MultiheadAttention(0, 3)),
    "rank": (AssertionError, lambda n: attend(n, n.ones(8))),
    "key_rank": (AssertionError, lambda n: attend(n, n.ones(3, 2, 8), n.ones(3, 8))),
    "embed": (AssertionError, lambda n: attend(n, n.ones(3, 2, 6))),
    "mask_2d": (RuntimeError, lambda n: attend(n, n.ones(3, 2, 8), attn_mask=n.ones(2, 2))),
    "mask_3d": (RuntimeError, lambda n: attend(n, n.ones(3, 2, 8), attn_mask=n.ones(2, 3, 3))),
    "mask_4d": (AssertionError, lambda n: attend(n, n.ones(3, 2, 8), attn_mask=n.ones(1, 2, 3, 3))),
    "mask_int": (AssertionError, lambda n: attend(n, n.ones(3, 2, 8), attn_mask=n.ones(3, 3).long())),
    "padding_rank": (AssertionError, lambda n: attend(n, n.ones(3, 2, 8), key_padding_mask=n.ones(3).bool())),
    "causal": (RuntimeError, lambda n: attend(n, n.ones(3, 2, 8), is_causal=True)),
    "activation": (RuntimeError, lambda n: n.nn.TransformerEncoderLayer(8, 2, activation="x")),
    "batch": (RuntimeError, lambda n: n.nn.Transformer(8, 2, 1, 1, 8)(n.ones(3, 2, 8), n.ones(3, 1, 8))),
    "features": (RuntimeError, lambda n: n.nn.Transformer(8, 2, 1, 1, 8)(n.ones(3, 2, 8), n.ones(3, 2, 6))),
}


def attend(n, query, key=None, **options):
    key = query if key is None else key
    return n.nn.MultiheadAttention(8, 2)(query, key, key, **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name):
    raises, call = WRONG[name]
    check(call, raises=raises)
