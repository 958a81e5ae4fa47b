"""The table itself: it covers what rustorch offers, and no row passes because torch refuses all of its samples."""

import pytest
from parity.cases import aspects, cases
from parity.compare import report
from parity.rows import TABLE
from parity.run import run

COVERED = """
abs neg positive sign sgn signbit sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp exp2 expm1 log log2
log10 log1p sqrt rsqrt square reciprocal ceil floor trunc round frac sigmoid logit erf erfc erfinv lgamma digamma
polygamma mvlgamma i0 sinc deg2rad rad2deg nan_to_num isnan isinf isfinite isposinf isneginf logical_not bitwise_not
frexp clamp add sub rsub mul div true_divide floor_divide fmod remainder pow float_power atan2 hypot maximum minimum
fmax fmin clamp_min clamp_max copysign nextafter ldexp logaddexp logaddexp2 xlogy heaviside gcd lcm eq ne lt le gt ge
isclose logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift
igamma igammac __radd__ __rsub__ __rmul__ __rdiv__ __rmod__ __rpow__ __rand__ __ror__ __rxor__ where lerp addcmul
addcdiv masked_fill reshape reshape_as view view_as flatten unflatten ravel permute transpose t Tensor.T Tensor.mT
movedim squeeze unsqueeze expand expand_as broadcast_to broadcast_tensors broadcast_shapes repeat tile cat stack hstack
vstack dstack column_stack split split_with_sizes tensor_split hsplit vsplit dsplit chunk unbind narrow narrow_copy
select unfold as_strided flip fliplr flipud roll rot90 tril triu diag diagonal diag_embed diagflat meshgrid atleast_1d
atleast_2d atleast_3d repeat_interleave sum_to_size constant_pad_nd sum mean prod amax amin max min argmax argmin any
all var std norm logsumexp cumsum cumprod cummax cummin logcumsumexp diff trapezoid cumulative_trapezoid searchsorted
bucketize bincount getitem setitem gather scatter scatter_add index_select index_add index_put nn.functional.embedding
nn.functional.one_hot matmul mm bmm mv dot einsum nn.functional.linear softmax log_softmax nn.functional.layer_norm
nn.functional.cross_entropy nn.functional.nll_loss nn.functional.mse_loss nn.functional.binary_cross_entropy_with_logits
nn.functional.relu nn.functional.gelu nn.functional.sigmoid nn.functional.tanh nn.functional.silu
nn.functional.leaky_relu nn.functional.softplus nn.functional.dropout nn.functional.batch_norm nn.functional.group_norm
nn.functional.instance_norm nn.functional.local_response_norm nn.functional.scaled_dot_product_attention lstm_cell
gru_cell rnn_tanh_cell rnn_relu_cell lstm gru rnn_tanh rnn_relu nn.functional.interpolate nn.functional.grid_sample
nn.functional.affine_grid nn.functional.pixel_shuffle nn.functional.pixel_unshuffle nn.functional.channel_shuffle unique
unique_consecutive isin mode quantile nanquantile cov corrcoef renorm cdist nn.functional.bilinear
nn.functional.alpha_dropout nn.functional.dropout2d
""".split()


def test_coverage():
    assert not set(COVERED) - {row.name for row in TABLE}


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{number}-{row.name}") for number, row in enumerate(TABLE)])
def test_rows_compare_something(row, oracle):
    """Under every aspect some case succeeds in torch, and derivative aspects yield derivatives."""
    assert aspects(row)
    for aspect in aspects(row):
        outcomes = [(case, run(case, oracle)) for case in cases(row, aspect)]
        good = [outcome for _, outcome in outcomes if outcome.error is None]
        assert good, f"{aspect}: {report([f'{outcome.error} {case.expression()}' for case, outcome in outcomes])}"
        if aspect.endswith("grad"):
            wanted = "gradgrad" if aspect == "gradgrad" else "grad"
            assert any(name.startswith(wanted) for outcome in good for name in outcome.values), aspect


def test_samples_of_a_row_mostly_succeed(oracle):
    """A sample that fails in every dtype is a wrong call on purpose; a row needs more right ones than wrong ones."""
    poor = []
    for row in TABLE:
        form = row.forms[0]
        seen = {}
        for case in cases(row, form if form != "ioperator" else "operator"):
            seen.setdefault(id(case.call), []).append(run(case, oracle).error is None)
        good = sum(any(results) for results in seen.values())
        if good * 2 < len(seen):
            poor.append(f"{row.name}: {good} of {len(seen)}")
    assert not poor, poor
