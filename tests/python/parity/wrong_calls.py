"""The table of wrong calls, as Python text. The operands are fresh for every call."""

HUGE = 1 << 40


def operands(m):
    """The names that the expressions of the table may use."""
    return {
        "a": m.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        "b": m.tensor([[1.0, 2.0], [3.0, 4.0]]),
        "v": m.tensor([1.0, 2.0, 3.0, 4.0]),
        "i": m.tensor([0, 1]),
        "far": m.tensor([0, 7]),
        "before": m.tensor([0, -8]),
        "f": m.tensor([0.0, 1.0]),
        "mask": m.tensor([True, False]),
        "s": m.tensor(1.5),
        "e": m.tensor([]),
        "n": m.tensor([3, 4], dtype=m.int32),
        "leaf": m.tensor([1.0, 2.0], requires_grad=True),
        "F": m.nn.functional,
        "nan": float("nan"),
        "inf": float("inf"),
    }


UNARY = (
    "sin exp log sqrt abs neg sigmoid tanh erf floor round sign isnan logical_not reciprocal square rsqrt clone relu"
).split()
BINARY = "add sub mul div pow maximum minimum eq lt atan2 fmod remainder logical_and".split()
REDUCE = "sum mean prod amax amin max min argmax argmin any all var std logsumexp".split()


def _unary():
    for name in UNARY:
        yield from (f"rt.{name}()", f"rt.{name}(None)", f"rt.{name}('x')", f"rt.{name}([1.0])", f"rt.{name}(a, bad=1)")
        yield from (f"rt.{name}(a, a, a)", f"a.{name}(1, 2, 3)")


def _binary():
    for name in BINARY:
        yield from (f"rt.{name}(a, v)", f"rt.{name}(a, b)", f"a.{name}(v)", f"rt.{name}(a)", f"rt.{name}()")
        yield from (f"rt.{name}(a, 'x')", f"rt.{name}(a, None)", f"rt.{name}(a, [1.0])", f"rt.{name}(a, a, bad=1)")
    for name in ("add", "sub", "mul", "div", "pow", "eq", "atan2"):
        yield from (f"a.{name}_(v)", f"v.{name}_(a)", f"a[0].{name}_(a)", f"s.{name}_(v)")
    for name in ("add", "sub", "mul", "div"):
        yield from (f"i.{name}_(1.5)", f"i.{name}_(f)", f"mask.{name}_(i)", f"leaf.{name}_(1)")


def _sort():
    for name in ("sort", "argsort", "msort", "median", "nanmedian"):
        yield from (f"rt.{name}()", f"rt.{name}(None)", f"a.{name}('x')", f"a.{name}(bad=1)")
    yield from ("a.sort(2)", "a.sort(stable=1)", "rt.sort(a, False, 0, True)", "a.argsort(-3)", "a.median(2)")
    yield from ("a.topk()", "a.topk(9)", "a.topk(-1)", "a.topk(1.5)", "s.topk(2)", "mask.topk(1)", "a.topk(1, 2)")
    yield from (
        "a.kthvalue()",
        "a.kthvalue(0)",
        "a.kthvalue(99)",
        "mask.kthvalue(1)",
        "mask.median()",
        "a.kthvalue(1, 5)",
    )


def _scan():
    for name in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"):
        yield from (f"rt.{name}(a)", f"rt.{name}(a, 2)", f"a.{name}(-3)", f"a.{name}('x')", f"rt.{name}(None, 0)")
        yield from (f"a.{name}((0, 1))", f"a.{name}(0, bad=1)", f"s.{name}(1)")
    for name in ("cumsum", "cumprod"):
        yield from (f"mask.{name}_(0)", f"i.{name}_(0, dtype=rt.float32)", f"leaf.{name}_(0)", f"a.{name}(0, dtype=3)")
        yield from (f"rt.{name}(a, 0, dtype=rt.bool)", f"rt.{name}(a, 0, out=i, dtype=rt.float32)")
    yield from ("rt.logcumsumexp(i, 0)", "rt.cummax(v, 0, out=v)", "rt.trapezoid(a, dim=2)")
    yield from ("s.diff()", "a.diff(-1)", "a.diff(dim=2)", "a.diff(prepend=v)", "a.diff(append=b[:1])", "a.diff(n=1.5)")
    yield from ("rt.trapezoid(s)", "rt.trapezoid(mask)", "rt.trapezoid(a, v)", "rt.trapezoid(a, dx=True)")
    yield from ("rt.trapz(a, v)", "rt.cumulative_trapezoid(s)", "rt.cumulative_trapezoid(mask)")
    yield from ("rt.cumulative_trapezoid(a, v)", "rt.cumulative_trapezoid(a, dx='x')", "a.trapezoid()")


def _search():
    yield from (
        "rt.searchsorted(v, a, side='x')",
        "rt.searchsorted(v, a, side='left', right=True)",
        "rt.searchsorted(v)",
    )
    yield from (
        "rt.searchsorted(a, 1)",
        "rt.searchsorted(a, v)",
        "rt.searchsorted(s, v)",
        "rt.searchsorted(mask, mask)",
    )
    yield from ("rt.searchsorted(v, a, sorter=i)", "rt.searchsorted(f, a, sorter=far)", "rt.searchsorted(v, [1.0])")
    yield from ("rt.searchsorted(f, a, sorter=before)", "rt.searchsorted(f, a, sorter=n.int())", "rt.bucketize(v, a)")
    yield from ("rt.bucketize(v, s)", "rt.bucketize(v)", "rt.bucketize(v, 1)", "rt.bucketize('x', v)")
    yield from ("rt.bincount(f)", "rt.bincount(mask)", "rt.bincount(before)", "i.bincount(minlength=-1)")
    yield from ("i.bincount(v)", "i.bincount(i.view(2, 1))", "n.view(2, 1).bincount()", "i.bincount(minlength=1.5)")


def _layers():
    ones = "rt.ones(2, 4, 3)"
    for name in ("batch_norm", "instance_norm", "group_norm", "local_response_norm", "scaled_dot_product_attention"):
        yield from (f"F.{name}()", f"F.{name}({ones})" if name.startswith(("group", "local")) else f"F.{name}(1, 2)")
    yield from (f"F.batch_norm({ones}, v, v, a)", f"F.batch_norm({ones}.long(), v, v)", "F.batch_norm(v, v, v)")
    yield from (f"F.batch_norm({ones}.double(), v, v)", f"F.batch_norm({ones}, v.double(), v.double())")
    yield from (
        f"F.batch_norm({ones}, v, v, momentum='x')",
        f"F.instance_norm({ones}.int())",
        "F.instance_norm(v[None])",
    )
    yield from (
        f"F.group_norm({ones}, 3)",
        f"F.group_norm({ones}, -2)",
        f"F.group_norm({ones}.long(), 2)",
        "F.group_norm(v, 2)",
    )
    yield from (
        f"F.group_norm({ones}, 2, v.double())",
        f"F.local_response_norm({ones}, 0)",
        "F.local_response_norm(a, 2)",
    )
    yield from ("F.scaled_dot_product_attention(a, a)", "F.scaled_dot_product_attention(v, v, v)")
    yield from (
        "F.scaled_dot_product_attention(a, a, i)",
        "F.scaled_dot_product_attention(a.long(), a.long(), a.long())",
    )
    yield from ("F.scaled_dot_product_attention(a, a, a, a)", "F.scaled_dot_product_attention(a, b, b)")
    yield from (
        "F.scaled_dot_product_attention(a, a, a, i[:1, None])",
        "F.scaled_dot_product_attention(a, a, a, dropout_p=2.0)",
    )
    for name in ("rnn_tanh_cell", "rnn_relu_cell", "gru_cell", "lstm_cell"):
        state = "(a, a)" if name == "lstm_cell" else "a"
        yield from (f"rt.{name}(a, {state}, b, b)", f"rt.{name}(a, {state}, a, a)", f"rt.{name}(a, {state}, None, a)")
        yield from (f"rt.{name}()", f"rt.{name}(a, {state})")
    yield from ("rt.lstm_cell(a, (a,), a, a)", "rt.lstm(a, (a, a), [a, a], False, 1, 0.0, False, False, False)")
    yield from ("rt.gru(a, a, [a, a], False, 1, 0.0, False, False, False)", "rt.gru(a, a)")


def _orders():
    for name in ("unique", "unique_consecutive", "isin", "mode", "quantile", "nanquantile", "cov", "corrcoef", "cdist"):
        yield from (f"rt.{name}()", f"rt.{name}(None)")
    yield from (
        "a.unique(dim=2)",
        "rt.zeros(0, 3).unique(dim=1)",
        "a.unique_consecutive(dim=-3)",
        "rt.isin(mask, mask)",
    )
    yield from ("a.mode(2)", "rt.zeros(0, 3).mode(0)", "a.quantile(2.0)", "i.quantile(0.5)", "e.quantile(0.5)")
    yield from ("a.quantile(0.5, interpolation='x')", "a.quantile(b)", "a.quantile(v)", "a.quantile(0.5, 3)")
    yield from ("a.quantile(v.double())", "a.nanquantile(-0.5)", "a[None].cov()", "mask.cov()", "a.cov(fweights=f)")
    yield from (
        "a.cov(fweights=i)",
        "a.cov(aweights=i)",
        "a.cov(aweights=b)",
        "a[None].corrcoef()",
        "v.renorm(2, 0, 1)",
    )
    yield from (
        "a.renorm(0, 0, 1)",
        "a.renorm(2, 5, 1)",
        "a.renorm(2, 0, -1)",
        "i[None].renorm(2, 0, 1)",
        "rt.cdist(a, b)",
    )
    yield from ("rt.cdist(v, v)", "rt.cdist(a, a, -1)", "rt.cdist(i[None], i[None])", "rt.pixel_shuffle(a, 2)")
    yield from ("rt.pixel_shuffle(a[None], 0)", "rt.pixel_unshuffle(a[None], 2)", "rt.channel_shuffle(a, 2)")
    yield from ("rt.channel_shuffle(a[None], 5)", "F.grid_sample(a, a)", "F.grid_sample(a[None, None], a[None, None])")
    yield from ("F.interpolate(a, 2)", "F.interpolate(a[None], 0)", "F.interpolate(i[None, None], 2, mode='linear')")


def _reduce():
    for name in REDUCE:
        yield from (f"rt.{name}(a, 2)", f"rt.{name}(a, -3)", f"a.{name}(5)", f"a.{name}('x')", f"rt.{name}(None)")
        yield from (f"a.{name}(2**40)", f"a.{name}(0, keepdim='x')", f"a.{name}(0, bad=1)")
    for name in ("sum", "mean", "amax", "logsumexp", "var"):
        yield from (f"a.{name}((0, 0))", f"a.{name}((0, 2))", f"a.{name}((0, -2))")
    for name in ("amax", "amin", "max", "min", "argmax", "argmin"):
        yield f"e.{name}()"
    yield from ("rt.zeros(0, 3).max(0)", "rt.zeros(0, 3).amax(0)", "rt.zeros(2, 0).argmin(1)")
    yield from ("i.mean()", "i.var()", "i.std()", "mask.mean()", "a.mean(dtype=rt.int64)", "a.prod((0, 1))")
    yield from ("a.norm('bad')", "i.norm()", "a.norm(2, 5)", "a.sum(dtype='float32')", "a.sum(dtype=3)")


CREATION = """
rt.zeros(-1) | rt.ones(2, -3) | rt.full((-1,), 2) | rt.empty(-5) | rt.zeros(2**60) | rt.ones(2**60) | rt.empty(2**60)
rt.full((2**60,), 1.0) | rt.zeros(2**40, 2**40) | rt.empty(2**62, 4) | rt.zeros(2**64) | rt.rand(2**60)
rt.randn(2**60) | rt.rand(-1) | rt.randn(-2, 3) | rt.zeros('x') | rt.zeros(1.5) | rt.zeros((1, 'a')) | rt.zeros(None)
rt.zeros(2, dtype='x') | rt.zeros(2, dtype=float) + None | rt.zeros(2, device='nowhere') | rt.zeros(2, bad=1)
rt.zeros() | rt.full((2,)) | rt.full((2,), 'x') | rt.full((2,), None) | rt.full(2, 1) | rt.ones((2, (3,)))
rt.arange() | rt.arange(3, 1) | rt.arange(0, 3, 0) | rt.arange(1, 3, -1) | rt.arange(nan) | rt.arange(inf)
rt.arange('x') | rt.arange(0, 1, 2, 3, 4, 5) | rt.arange(2**62) | rt.arange(0, inf, 1) | rt.arange(0, 1, nan)
rt.arange(None) | rt.linspace(0, 1) | rt.linspace(0, 1, -1) | rt.linspace(0, 1, 2**60) | rt.linspace('x', 1, 3)
rt.linspace(0, 1, 2.5) | rt.eye(-1) | rt.eye(2, -1) | rt.eye(2**40) | rt.eye('x') | rt.eye(2.5) | rt.randint(0, (2,))
rt.randint(5, 5, (2,)) | rt.randint(5, 3, (2,)) | rt.randint(3) | rt.randint(0, 3, (-1,))
rt.randint(0, 300, (2,), dtype=rt.uint8) | rt.randint(0, 3, (2,), dtype='x') | rt.randint(0, 3, (2**60,))
rt.randperm(-1) | rt.randperm('x') | rt.randperm(2**60) | rt.randperm(300, dtype=rt.int8) | rt.randperm(2.5)
rt.rand(2, dtype=rt.int64) | rt.randn(2, dtype=rt.bool) | rt.rand('x') | rt.tensor([[1], [1, 2]]) | rt.tensor('x')
rt.tensor([None]) | rt.tensor(object()) | rt.tensor([1, 'a']) | rt.tensor() | rt.tensor([[1, 2], 3])
rt.tensor(2**70) | rt.tensor([300], dtype=rt.uint8) | rt.tensor([2**40], dtype=rt.int32) | rt.tensor([1], dtype='int')
rt.tensor([1, 2], requires_grad=True) | rt.tensor([1.0], bad=1) | rt.tensor(None) | rt.tensor(nan, dtype=rt.int64)
rt.tensor(inf, dtype=rt.int32) | rt.tensor({}) | rt.tensor([True], requires_grad=True) | rt.as_tensor('x')
rt.from_numpy([1, 2]) | rt.from_numpy(None) | rt.from_numpy(1) | rt.zeros_like(3) | rt.ones_like(None)
rt.full_like(a) | rt.rand_like(i) | rt.randn_like(i) | rt.empty_like('x') | rt.ones(2**45) | rt.rand(2**45)
rt.full((2**23, 2**23), 1.5) | v.repeat(2**45) | (v.expand(2**45, 4) + 1).contiguous().numpy() | rt.manual_seed('x')
rt.manual_seed(None) | rt.manual_seed(2**70) | rt.Generator('nowhere')
"""

SHAPES = """
a.reshape(4) | a.reshape(-1, -1) | a.reshape(-1, 4) | a.reshape(-2, 3) | a.reshape('x') | a.reshape(2**60)
a.reshape(1.5) | a.reshape(0, -1) | e.reshape(-1, 0) | e.reshape(3) | a.reshape() | a.reshape(None) | rt.reshape(a)
rt.reshape(a, 3, 2) | a.view(4) | a.view(-1, -1) | a.t().view(6) | a.view(2**60) | a.view(None) | a.view(1.5)
a[:, ::2].view(4) | a.flatten(2) | a.flatten(1, 0) | a.flatten(-3) | a.flatten('x') | a.unflatten(0, (3, 3))
a.unflatten(2, (1,)) | a.unflatten(0, ()) | a.permute(0) | a.permute(0, 0) | a.permute(0, 2) | a.permute(0, 1, 2)
a.permute('x') | a.permute() | a.transpose(0, 2) | a.transpose(-3, 0) | a.transpose(0) | a.transpose('x', 0)
a.transpose(0.5, 1) | rt.zeros(2, 2, 2).t() | a.movedim(0, 2) | a.movedim((0, 1), (0,)) | a.movedim((0, 0), (0, 1))
a.squeeze(2) | a.squeeze('x') | a.squeeze((0, 0)) | a.unsqueeze(3) | a.unsqueeze(-4) | a.unsqueeze()
a.unsqueeze('x') | a.unsqueeze(None) | a.expand(3, 3) | a.expand(2) | a.expand(-1, 4) | a.expand(2, -2)
v.expand(-1, 4) | a.expand('x') | a.expand(2**60, 3) | rt.broadcast_to(a, (2,)) | rt.broadcast_tensors(a, v)
rt.broadcast_shapes((2,), (3,)) | rt.broadcast_shapes((-1,)) | a.expand_as(v) | a.repeat(2) | a.repeat(-1, 1)
a.repeat('x') | a.repeat(2**40, 2**40) | a.tile((-1, 2)) | a.repeat_interleave(-1) | a.repeat_interleave(i, 1)
a.repeat_interleave(f, 0) | a.repeat_interleave(rt.tensor([-1, 2]), 0) | a.sum_to_size(4) | a.split(-1)
a.split(2, 2) | a.split([1, 2]) | a.split([3, -1]) | a.split('x') | a.split(0) | a.chunk(0) | a.chunk(-1)
a.chunk(2, 2) | a.tensor_split(0) | a.tensor_split(-1) | s.tensor_split(2) | a.unbind(2) | s.unbind() | a.hsplit(2)
a.vsplit(3) | a.dsplit(2) | a.narrow(0, 0, 3) | a.narrow(0, 0, -1) | a.narrow(2, 0, 1) | a.narrow(0, 5, 0)
a.narrow(0, -3, 1) | a.narrow(0, 0) | a.narrow(0, 0, 2**60) | a.select(0, 2) | a.select(0, -3) | a.select(2, 0)
s.select(0, 0) | a.select(0, 2**62) | a.select(0, 'x') | a.unfold(0, 3, 1) | a.unfold(0, 1, 0) | a.unfold(2, 1, 1)
a.unfold(0, -1, 1) | a.as_strided((7,), (1,)) | a.as_strided((2,), (1, 1)) | a.as_strided((2,), (-1,))
a.as_strided((2**60,), (1,)) | a.as_strided((2,), (1,), 99) | a.as_strided((-1,), (1,)) | a.as_strided((1,), (1,), -1)
a.flip(2) | a.flip((0, 0)) | a.flip('x') | v.fliplr() | a.roll((1, 2), 0) | a.roll(1, 2) | a.roll('x')
a.rot90(1, (0, 0)) | v.rot90() | v.tril() | s.triu() | a.tril('x') | s.diag() | rt.zeros(2, 2, 2).diag()
v.diagonal() | a.diagonal(0, 0, 0) | a.diagonal(0, 2, 0) | a.diag_embed(0, 0, 0) | rt.meshgrid(a, indexing='ij')
rt.meshgrid(v, v, indexing='xx') | F.pad(a, (1,)) | F.pad(a, (-5, 0)) | F.pad(a, (1, 1), 'bad')
F.pad(v, (1, 1, 1, 1)) | rt.cat([]) | rt.cat([a, b]) | rt.cat([a, a], 2) | rt.cat([a, v]) | rt.cat(a)
rt.cat([a, None]) | rt.cat([a, 1]) | rt.cat([s, s]) | rt.cat(None) | rt.stack([]) | rt.stack([a, b])
rt.stack([a, a], 3) | rt.stack([a, 'x']) | rt.stack(None) | rt.hstack([a, v]) | rt.vstack([a, b]) | rt.dstack([a, b])
rt.column_stack([a, v])
"""

INDEXING = """
a[2] | a[-3] | a[0, 3] | a[0, 0, 0] | a[..., ..., 0] | s[0] | a[::-1] | a[::0] | a[1.5] | a['x'] | a[None, 0, 0, 0]
a[nan] | a[2**62] | a[2**70] | a[far] | a[before] | a[f] | a[[0, 9]] | a[rt.tensor(nan)] | a[rt.tensor([nan])]
a[rt.tensor([[True, False]])] | a[rt.tensor([True] * 3)] | a[i, rt.tensor([0, 1, 2])] | a[['x']] | a[{}]
a[slice('x', None)] | a[slice(0.5, None)] | e[0] | e[rt.tensor([0])] | a.__setitem__(2, 0) | a.__setitem__((0, 5), 0)
a.__setitem__(far, 0) | a.__setitem__(0, v) | a.__setitem__(i, v) | a.__setitem__(mask, v) | a.__setitem__(0, 'x')
a.__setitem__(0, None) | a.__setitem__(0, [1, 2]) | a.__setitem__('x', 0) | a.__setitem__(slice(None, None, -1), 0)
a.__setitem__((0, 0, 0), 0) | a.__setitem__(f, 0) | a.__setitem__(0, a) | leaf.__setitem__(0, 1)
a.__setitem__(nan, 0) | rt.gather(a, 0, f) | rt.gather(a, 0, i) | rt.gather(a, 2, i[None])
rt.gather(a, 0, far[None]) | rt.gather(a, 0, before[None]) | rt.gather(a, 0, None) | rt.gather(a, 'x', i)
rt.gather(a, 0, n[None]) | rt.gather(a, 0, rt.zeros(2, 9, dtype=rt.int64)) | rt.gather(a, 0)
rt.scatter(a, 0, far[None], a) | rt.scatter(a, 0, i, a) | rt.scatter(a, 0, f[None], a) | rt.scatter(a, 2, i[None], a)
rt.scatter(a, 0, i[None], i[None]) | rt.scatter(a, 0, rt.zeros(3, 9, dtype=rt.int64), 1.0)
rt.scatter(a, 0, i[None], 'x') | a.scatter_(0, far[None], 1.0) | a.scatter(0, i[None], a, reduce='bad')
rt.scatter_add(a, 0, far[None], a) | rt.scatter_add(a, 0, i, a) | rt.scatter_add(a, 0, i[None], i[None])
rt.scatter_add(a, 0, f[None], a) | a.scatter_add_(3, i[None], a) | a.index_select(0, far) | a.index_select(0, before)
a.index_select(0, f) | a.index_select(2, i) | a.index_select(0, i[None]) | a.index_select(0, None)
a.index_select('x', i) | a.index_add(0, far, a) | a.index_add(0, i, v) | a.index_add(0, f, a) | a.index_add(2, i, a)
a.index_add(0, i, i) | a.index_add_(0, far, a) | a.index_add(0, i[None], a) | a.index_put((far,), s)
a.index_put((i, i, i), s) | a.index_put((f,), s) | a.index_put((i,), v) | a.index_put((i,), i) | a.index_put(None, s)
a.index_put_((far,), s) | a.masked_fill(i, 0) | a.masked_fill(mask, 0) | a.masked_fill(None, 0)
a.masked_fill(mask[:, None], v) | a.masked_fill(mask[:, None], 'x') | i.masked_fill_(mask, 'x') | rt.where(a, a, a)
rt.where(mask, a, v) | rt.where(mask, a) | rt.where(None, a, a) | rt.where(mask, 'x', 1) | rt.where(i, f, f) + v
a.masked_select(i) | a.masked_select(rt.tensor([True] * 4)) | a.index_copy(0, far, a) | a.index_fill(0, far, 1)
a.index_fill(0, i, v) | F.embedding(far, a) | F.embedding(before, a) | F.embedding(f, a) | F.embedding(i, v)
F.embedding(i, None) | F.embedding(i, a, padding_idx=9) | F.one_hot(far, 3) | F.one_hot(before) | F.one_hot(f)
F.one_hot(n) | F.one_hot(i, -5) | F.one_hot(i, 0) | F.one_hot(rt.zeros(0, dtype=rt.int64))
"""

MATMUL = """
a @ a | a @ v | v @ a | s @ a | a @ s | a @ i | a @ 1 | a @ None | rt.matmul(a) | rt.matmul(a, 'x')
a.matmul(rt.zeros(2, 4, 2)) | rt.mm(a, a) | rt.mm(a, v) | rt.mm(v, v) | rt.mm(a, rt.ones(3, 2, dtype=rt.float64))
rt.mm(a, None) | rt.mm(a) | rt.mm(a, 2) | a.mm(b) | rt.bmm(a, a) | rt.bmm(rt.ones(2, 2, 3), rt.ones(3, 3, 2))
rt.bmm(rt.ones(2, 2, 3), rt.ones(2, 2, 3)) | rt.mv(a, v) | rt.mv(v, v) | rt.mv(a, a) | rt.dot(v, f) | rt.dot(a, a)
rt.dot(v, rt.ones(4, dtype=rt.float64)) | rt.einsum('ij,jk', a, a) | rt.einsum('ij', v) | rt.einsum('ij->ik', a)
rt.einsum('i,j', v) | rt.einsum('1', v) | rt.einsum('i->ii', v) | rt.einsum('ij->', a, a) | rt.einsum(a)
rt.einsum('ij,ij', a, b) | rt.einsum('i.j', a) | rt.einsum('->', v) | F.linear(a, a.t()) | F.linear(a, v)
F.linear(a, a, v) | F.linear(a, None) | F.linear(a, i[None]) | rt.outer(a, v) | rt.inner(a, v) | rt.tensordot(a, a, 1)
rt.tensordot(a, a, ([0], [0, 1])) | rt.addmm(v, a, a) | rt.addmm(v, a, a.t()) | rt.addmv(v, a, v)
rt.baddbmm(a, a, a)
"""

LINALG = """
rt.linalg.cholesky(a) | rt.linalg.cholesky(v) | rt.linalg.cholesky(-b) | rt.linalg.cholesky(n) | rt.linalg.cholesky()
rt.linalg.cholesky(rt.zeros(2, 3, 3)) | rt.linalg.cholesky_ex(a) | rt.linalg.cholesky_ex(-b, check_errors=True)
rt.cholesky(b) | b.cholesky() | rt.qr(b) | b.qr() | rt.linalg.qr(v) | rt.linalg.qr(b, 'x') | rt.linalg.qr(i[None])
rt.linalg.qr(rt.ones(3, 2, requires_grad=True), 'complete').Q.sum().backward()
rt.linalg.qr(rt.ones(3, 2, requires_grad=True), 'r').R.sum().backward() | rt.linalg.lu(v) | rt.linalg.lu(i[None])
rt.linalg.lu(b, pivot=False) | rt.linalg.lu_factor(v) | rt.linalg.lu_factor(rt.zeros(2, 2))
rt.linalg.lu_factor(b.half()) | rt.linalg.lu_factor_ex(rt.zeros(2, 2), check_errors=True) | rt.linalg.svd(v)
rt.linalg.svd(i[None]) | rt.linalg.svd(b * nan) | rt.linalg.svd(b, driver='x')
rt.linalg.svdvals(b.half()) | rt.linalg.svdvals(s) | rt.svd(b * nan) | rt.linalg.eigh(a) | rt.linalg.eigh(b, 'X')
rt.linalg.eigh(i.diag()) | rt.linalg.eigvalsh(v) | rt.linalg.eigvalsh(b.half())
rt.linalg.solve(a, v) | rt.linalg.solve(b, v) | rt.linalg.solve(b, a, left=False) | rt.linalg.solve(b, b.double())
rt.linalg.solve(rt.zeros(2, 2), b) | rt.linalg.solve(rt.zeros(3, 2, 2), b) | rt.linalg.solve(i.diag(), i)
rt.linalg.solve(b) | rt.linalg.solve(b, 1) | rt.linalg.solve_ex(rt.zeros(2, 2), b, check_errors=True)
rt.linalg.solve_triangular(b, b) | rt.linalg.solve_triangular(b, i, upper=True)
rt.linalg.solve_triangular(a, a, upper=True) | rt.linalg.solve_triangular(b, rt.ones(3, 2), upper=True)
rt.linalg.inv(a) | rt.linalg.inv(v) | rt.linalg.inv(rt.ones(2, 2)) | rt.linalg.inv(rt.stack([b, b * 0]))
rt.linalg.inv(b.half()) | rt.linalg.inv(i.diag()) | rt.inverse(rt.zeros(3, 3))
rt.linalg.inv_ex(rt.zeros(2, 2), check_errors=True) | rt.linalg.det(a) | rt.linalg.det(v) | rt.linalg.det(i.diag())
rt.linalg.slogdet(b.half()) | rt.linalg.slogdet(a) | rt.logdet(i.diag()) | rt.logdet(a) | rt.linalg.pinv(v)
rt.linalg.pinv(i.diag()) | rt.linalg.pinv(b * nan) | rt.linalg.pinv(a, hermitian=True) | rt.linalg.matrix_rank(v)
rt.linalg.matrix_rank(b * nan) | rt.linalg.cond(v) | rt.linalg.cond(a, 1) | rt.linalg.cond(b, 'x')
rt.linalg.cond(b, 3) | rt.linalg.lstsq(v, v) | rt.linalg.lstsq(b, v) | rt.linalg.lstsq(b, b.double())
rt.linalg.lstsq(b, b, driver='x') | rt.linalg.lstsq(i.diag(), i.diag())
rt.linalg.lu_solve(b, i, b) | rt.linalg.lu_solve(b, n[:1], b) | rt.linalg.lu_solve(b, n * 0, b)
rt.linalg.lu_solve(b, n, b) | rt.linalg.lu_solve(b, n, v) | rt.cholesky_solve(v, b)
rt.cholesky_solve(rt.ones(3, 2), b) | rt.cholesky_solve(b, a) | rt.cholesky_solve(b.half(), b.half())
rt.cholesky_inverse(a) | rt.cholesky_inverse(v) | rt.cholesky_inverse(i.diag()) | rt.lu_unpack(b, i)
rt.lu_unpack(b, n * 0) | rt.linalg.matrix_power(a, 2) | rt.linalg.matrix_power(b, 1.5)
rt.linalg.matrix_power(rt.zeros(2, 2), -1) | rt.linalg.matrix_power(i.diag(), -1) | rt.linalg.tensorinv(b)
rt.linalg.tensorinv(b, 0) | rt.linalg.tensorsolve(rt.ones(2, 3, 5), rt.ones(2, 3))
rt.linalg.householder_product(a, f) | rt.linalg.householder_product(b, v) | rt.linalg.vander(s)
rt.linalg.matrix_norm(b.half(), 2) | rt.linalg.matrix_norm(b * nan, 'nuc')
"""

NN = """
F.softmax(a, 2) | F.softmax(a, -3) | rt.softmax(a, 'x') | rt.softmax(a) | rt.softmax(i, 0) | F.log_softmax(a, 5)
rt.log_softmax(mask, 0) | rt.softmax(None, 0) | F.layer_norm(a, (2,)) | F.layer_norm(a, (3,), v)
F.layer_norm(a, (3,), None, v) | F.layer_norm(a, ()) | F.layer_norm(a, (2, 2, 3)) | F.layer_norm(a, 3)
F.layer_norm(i, (2,)) | F.cross_entropy(a, far) | F.cross_entropy(a, before) | F.cross_entropy(a, v)
F.cross_entropy(a, i, weight=v) | F.cross_entropy(a, i, reduction='x') | F.cross_entropy(a, n)
F.cross_entropy(a, i, label_smoothing=2.0) | F.cross_entropy(a, f) | F.cross_entropy(a, b) | F.cross_entropy(i, i)
F.cross_entropy(a, None) | F.cross_entropy(a) | F.nll_loss(a, far) | F.nll_loss(a, rt.tensor([0, 1, 2]))
F.nll_loss(a, f) | F.nll_loss(a, i, v) | F.nll_loss(a, i, reduction='x') | F.nll_loss(s, i) | F.mse_loss(a, v)
F.mse_loss(a, a, reduction='x') | F.mse_loss(a, None) | F.mse_loss(a) | F.mse_loss(a, 'x')
F.binary_cross_entropy_with_logits(a, v) | F.binary_cross_entropy_with_logits(a, b)
F.binary_cross_entropy_with_logits(a, a, reduction='x') | F.binary_cross_entropy_with_logits(a, a, weight=v)
F.gelu(a, approximate='x') | F.gelu(i) | F.gelu('x') | F.relu(mask) | F.relu(None) | F.softplus(i) | F.silu(i)
F.leaky_relu(a, 'x') | F.leaky_relu(i) | F.dropout(a, 2.0) | F.dropout(a, -1.0) | F.dropout(a, nan)
F.dropout(a, 'x') | F.dropout(None) | rt.nn.Linear(-1, 2) | rt.nn.Linear(2, 'x') | rt.nn.Linear(2, 2)(v)
rt.nn.Linear(4, 2)(i) | rt.nn.Linear(2**40, 2**40) | rt.nn.Dropout(1.5) | rt.nn.Embedding(-1, 2)
rt.nn.LayerNorm(3)(v) | rt.nn.Embedding(3, 2)(far) | rt.nn.Embedding(3, 2)(f) | rt.nn.Embedding(3, 2, padding_idx=5)
rt.nn.Sequential(3) | rt.nn.Module()(1) | rt.nn.Linear(2, 2).load_state_dict({})
rt.nn.Linear(2, 2).load_state_dict({'weight': a, 'bias': f}) | rt.nn.Parameter(i) | rt.nn.Linear(2, 2).nothing
rt.optim.SGD([], lr=0.1) | rt.optim.SGD([leaf], lr=-1) | rt.optim.SGD(leaf, lr=0.1) | rt.optim.SGD([leaf * 2], lr=0.1)
rt.optim.SGD([leaf], lr=0.1, nesterov=True) | rt.optim.SGD([leaf], lr=0.1, momentum=-1) | rt.optim.Adam([leaf], lr=-1)
rt.optim.Adam([leaf], betas=(1.0, 0.9)) | rt.optim.Adam([leaf], eps=-1) | rt.optim.AdamW([leaf], weight_decay=-1)
rt.optim.SGD([leaf, leaf, 'x'], lr=0.1) | rt.optim.SGD([None], lr=0.1)
rt.optim.SGD([{'params': [leaf]}, {'params': [leaf]}], lr=0.1)
"""

AUTOGRAD = """
a.backward() | v.sum().backward() | (leaf * 2).backward() | (leaf * 2).backward(v) | (leaf * 2).backward('x')
(leaf * 2).sum().backward(i) | rt.autograd.grad(leaf.sum(), a) | rt.autograd.grad(a.sum(), leaf)
rt.autograd.grad(leaf * 2, leaf) | rt.autograd.grad(leaf.sum(), rt.ones(2, requires_grad=True))
rt.autograd.grad(leaf * 2, leaf, v) | rt.autograd.grad(None, leaf) | rt.autograd.grad(leaf.sum(), []) + 1
i.requires_grad_() | mask.requires_grad_(True) | setattr(i, 'requires_grad', True)
setattr(leaf * 2, 'requires_grad', False) | setattr(leaf, 'grad', v) | setattr(leaf, 'grad', 3) | leaf.add_(1)
leaf.zero_() | leaf.copy_(f) | leaf.numpy() | leaf.fill_(2) | leaf.mul_(leaf) | leaf[0].add_(1)
leaf.detach().numpy().resize(1, 1, 5) | rt.set_grad_enabled() | a.retain_grad() | a.register_hook(lambda g: g)
(leaf * 2).detach_().backward() | leaf.view(2, 1).mul_(2) | leaf.unbind()[0].add_(1) | (leaf * 1).unbind()[0].add_(1)
"""

ACCESS = """
a.item() | e.item() | v.tolist(1) | bool(a) | bool(e) | int(a) | float(v) | range(3)[s] | range(3)[v] | len(s)
iter(s) | hash([a]) | a.size(2) | a.stride(5) | a.to('nowhere') | a.to('x', 'y') | a.to(None, 5)
a.to(dtype='float32') | a.to(rt.float32, rt.float64) | a.nothing | rt.nothing | a.copy_(v) | v.copy_(a)
a.copy_(None) | a.copy_('x') | a.fill_('x') | a.fill_(v) | a.fill_(None) | a.expand(2, 2, 3).add_(1)
v[:1].expand(4).mul_(2) | rt.zeros(1).expand(3).copy_(rt.ones(3)) | v[1:].copy_(v) | i.copy_() | a.add(1, alpha='x')
i.add(1, alpha=1.5) | mask - mask | -mask | mask.neg() | a & a | ~a | f << 1 | a.bitwise_not() | i // 0 | i % 0
i.fmod(0) | i.floor_divide(0) | i.div(0, rounding_mode='trunc') | i.div(i, rounding_mode='x') | i ** -1 | i.pow(-2)
i.add(2**70) | a.clamp() | a.clamp('x') | a.clamp(v) | a.round(decimals='x') | a.lerp(a, 'x') | a.lerp(v, 0.5)
i.lerp(i, 0.5) | a.addcmul(a) | a.addcdiv(i, i, value='x') | rt.polygamma(-1, a) | a.mvlgamma(0) | a.isclose(v)
a.isclose(i) | a.isclose(a, rtol=-1) | rt.gcd(a, a) | rt.lcm(f, f) | rt.ldexp('x', a) | rt.heaviside(a, i)
rt.nextafter(i, i) | i.igamma(i) | a.logit('x') | a.nan_to_num('x')
"""

TEXTS = (CREATION, SHAPES, INDEXING, MATMUL, LINALG, NN, AUTOGRAD, ACCESS)
WINDOWS = """
F.conv2d(a, a) | F.conv1d(a, a) | F.conv1d(a, None) | F.conv1d(a[None], rt.ones(2, 2, 4)) | F.conv1d(a, i[None, None])
F.conv1d(a, rt.ones(2, 2, 1), v) | F.conv1d(a, rt.ones(2, 2, 1), i) | F.conv1d(a, rt.ones(2, 2, 1), stride='x')
F.conv1d(a, rt.ones(2, 2, 1), stride=0) | F.conv1d(a, rt.ones(2, 2, 1), stride=(1, 2)) | F.conv1d(a, rt.ones(2, 2))
F.conv1d(a, rt.ones(2, 2, 1), padding=-1) | F.conv1d(a, rt.ones(2, 2, 1), padding='x') | F.conv1d(a, v)
F.conv1d(a, rt.ones(2, 2, 1), groups=0) | F.conv1d('x', a) | F.conv1d(a, rt.ones(2, 2, 1), groups=2)
F.conv1d(a, rt.ones(3, 1, 1), groups=2) | F.conv1d(a, rt.ones(1, 1, 1), groups=2)
F.conv1d(a, rt.ones(2, 2, 2), padding='same', stride=2) | F.conv_transpose1d(a, rt.ones(3, 2, 1))
F.conv_transpose1d(a, rt.ones(2, 2, 1), output_padding=1) | F.conv_transpose1d(a, rt.ones(2, 2, 1), output_padding=-1)
F.conv_transpose1d(a, rt.ones(2, 2, 1), v) | F.conv_transpose1d(a, rt.ones(2, 2, 1), padding=5)
F.conv_transpose1d(a, rt.ones(2, 2, 1), padding='same') | F.max_pool1d(a, 0) | F.max_pool1d(a, 4) | F.max_pool1d(v, 2)
F.max_pool1d(a, 2, 0) | F.max_pool1d(a, 2, padding=2) | F.max_pool1d(a, 2, dilation=0) | F.max_pool1d(i[None], 2)
F.max_pool1d(a, (1, 1)) | F.max_pool1d(a) | F.max_pool1d(a, 'x') | F.max_pool2d(a, 2) | F.max_pool2d(a[None], 3)
F.max_pool2d(a[None], (1, 1, 1)) | F.max_pool2d(a[None], 2, 0) | F.max_pool2d(a[None], 2, padding=-1)
F.max_pool2d(a[None], 2, padding=2) | F.max_pool2d(mask[None, None], 1) | F.max_pool2d(a[None], 2, 1, 0, -1)
F.max_pool3d(a[None], 1) | F.max_pool2d(None, 2) | F.avg_pool1d(a, 0) | F.avg_pool1d(v, 2) | F.avg_pool1d(a, 4)
F.avg_pool1d(a, (1, 1)) | F.avg_pool1d(n[None], 1) | F.avg_pool2d(a[None], 3)
F.avg_pool2d(a[None], 2, divisor_override=0) | F.avg_pool2d(a[None], 2, padding=2) | F.avg_pool2d(mask[None, None], 1)
F.avg_pool2d(a[None], (1, 1, 1)) | F.avg_pool3d(a, 1) | F.avg_pool2d(a[None], -1) | F.adaptive_avg_pool1d(v, 2)
F.adaptive_avg_pool1d(a, (1, 1)) | F.adaptive_avg_pool1d(a, -1) | F.adaptive_avg_pool1d(i[None], 1)
F.adaptive_avg_pool2d(a, 2) | F.adaptive_avg_pool2d(a[None], (1, 1, 1)) | F.adaptive_avg_pool2d(a[None], -1)
F.adaptive_max_pool1d(v, 2) | F.adaptive_max_pool1d(a, -1) | F.adaptive_max_pool2d(a, 2)
F.adaptive_max_pool1d(a, 'x') | F.adaptive_max_pool2d(a[None], (2, 2, 2)) | F.adaptive_max_pool1d(i[None], 1)
F.lp_pool1d(a, 0, 2) | F.lp_pool1d(a, 2, 9) | F.unfold(a[None], 0) | F.unfold(a[None], 5) | F.unfold(a[None], 2, 0)
F.unfold(a[None], 2, 1, -1) | F.unfold(a[None], 2, 1, 0, 0) | F.unfold(a[None], (1, 1, 1))
F.unfold(i[None, None], 1) | F.fold(v, 2, 1) | F.fold(a, 2, 2) | F.fold(a, (2, 2), 0) | F.fold(a, (2, 2), 1, 0)
F.fold(a, (2, 2), 1, 1, -1) | F.fold(a, (1, 2), 1) | F.max_unpool1d(a, a, 2) | F.max_unpool1d(a, a.long()[:1], 2)
F.max_unpool1d(a, a.long(), 2, output_size=(99,)) | F.max_unpool1d(a, a.long(), 2, output_size=(1, 1))
F.max_unpool1d(v, v.long(), 2) | rt.nn.Conv2d(3, 4, 3, groups=2) | rt.nn.Conv2d(4, 3, 3, groups=2)
rt.nn.Conv2d(2, 2, 3, groups=0) | rt.nn.Conv2d(2, 2, 3, padding='x') | rt.nn.Conv2d(2, 2, 3, padding='same', stride=2)
rt.nn.Conv1d(2, 2, 3)(v) | rt.nn.Conv2d(2, 2, 3, padding_mode='x')
rt.nn.ConvTranspose2d(2, 2, 3, padding_mode='reflect') | rt.nn.ConvTranspose1d(2, 2, 1)(a, output_size=(9,))
rt.nn.ConvTranspose1d(2, 2, 1)(a, output_size=(1, 1, 1, 1)) | rt.nn.LPPool1d(0, 2) | rt.nn.CircularPad1d(1)(v)
rt.nn.ReflectionPad1d(9)(a) | rt.nn.MaxPool2d(2)(a) | rt.nn.MaxPool2d()
"""

TEXTS = (CREATION, SHAPES, INDEXING, MATMUL, NN, WINDOWS, AUTOGRAD, ACCESS)
CALLS = tuple(
    dict.fromkeys(
        [
            *_unary(),
            *_binary(),
            *_reduce(),
            *_layers(),
            *_orders(),
            *_scan(),
            *_search(),
            *(call.strip() for text in TEXTS for line in text.strip().splitlines() for call in line.split(" | ")),
        ]
    )
)
