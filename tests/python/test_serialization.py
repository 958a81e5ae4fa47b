"""What travels: pickles, in and out of band, and files."""

import copy
import io
import json
import pickle
import weakref
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import rustorch as rt

DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()


class Named(rt.Tensor):
    """A subclass with something in its dictionary."""


def pickled(obj, protocol):
    if protocol == "out of band":
        buffers = []
        data = pickle.dumps(obj, protocol=5, buffer_callback=buffers.append)
        return pickle.loads(data, buffers=[bytearray(buffer) for buffer in buffers])
    return pickle.loads(pickle.dumps(obj, protocol=protocol))


def filed(obj, _):
    file = io.BytesIO()
    rt.save(obj, file)
    file.seek(0)
    return rt.load(file)


ROADS = [(pickled, 2), (pickled, 4), (pickled, 5), (pickled, "out of band"), (filed, None)]


@pytest.fixture(params=ROADS, ids=lambda road: f"{road[0].__name__}-{road[1]}")
def travel(request):
    road, how = request.param
    return lambda obj: road(obj, how)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4), (1,)])
def test_tensors_arrive_as_they_were(travel, dtype, shape):
    x = (rt.arange(max(int(np.prod(shape)), 1)) % 2).to(getattr(rt, dtype))[: int(np.prod(shape))].reshape(shape)
    got = travel(x)
    assert type(got) is rt.Tensor and (got.dtype, got.shape, got.requires_grad) == (x.dtype, x.shape, False)
    assert got.tolist() == x.tolist()
    got.fill_(1)
    assert got.sum().item() == x.numel() and x.tolist() == x.clone().tolist()


def test_views_of_one_memory_still_share_it(travel):
    base = rt.arange(12, dtype=rt.float32)
    row, column, bits = base.view(3, 4)[1], base.view(3, 4).t()[0], base.view(rt.int32)
    got, *views = travel([base, row, column, bits])
    assert [view.tolist() for view in views] == [row.tolist(), column.tolist(), bits.tolist()]
    assert [view.stride() for view in views] == [(1,), (4,), (1,)]
    got.zero_()
    assert all(view.count_nonzero().item() == 0 for view in views)
    assert base[1].item() == 1


def test_one_tensor_in_two_places_is_one_memory(travel):
    x = rt.ones(3)
    first, second = travel({"a": x, "b": [x]}).values()
    first.add_(1)
    assert second[0].tolist() == [2, 2, 2]


def test_parameters_and_gradients_are_asked_for_again(travel):
    parameter = rt.nn.Parameter(rt.ones(2))
    frozen = rt.nn.Parameter(rt.ones(2), requires_grad=False)
    leaf = rt.ones(2, requires_grad=True)
    got = travel([parameter, frozen, leaf])
    assert [type(x) for x in got] == [rt.nn.Parameter, rt.nn.Parameter, rt.Tensor]
    assert [x.requires_grad for x in got] == [True, False, True]
    (got[2] * 2).sum().backward()
    assert got[2].grad.tolist() == [2, 2] and leaf.grad is None


def test_a_state_dict_arrives(travel):
    model = rt.nn.Sequential(rt.nn.Linear(3, 4), rt.nn.LayerNorm(4))
    state = travel(model.state_dict())
    assert type(state) is OrderedDict and list(state) == list(model.state_dict())
    other = rt.nn.Sequential(rt.nn.Linear(3, 4), rt.nn.LayerNorm(4))
    other.load_state_dict(state)
    x = rt.ones(2, 3)
    assert other(x).tolist() == model(x).tolist()


@pytest.mark.parametrize("how", [2, 5, "out of band"])
def test_modules_and_subclasses_are_pickled(how):
    model = rt.nn.Linear(2, 2)
    model.other = model.weight
    got = pickled(model, how)
    assert got.weight is got.other and got(rt.ones(1, 2)).tolist() == model(rt.ones(1, 2)).tolist()
    assert isinstance(got.weight, rt.nn.Parameter) and len(list(got.parameters())) == 2
    named = rt.Tensor._make_subclass(Named, rt.ones(2))
    named.word = "here"
    again = pickled(named, how)
    assert type(again) is Named and again.word == "here"


def test_buffers_out_of_band_are_the_memory_itself():
    x = rt.arange(1000, dtype=rt.float64)
    buffers = []
    data = pickle.dumps([x, x[10:20]], protocol=5, buffer_callback=buffers.append)
    assert len(data) < 1000 and len(buffers) == 1
    whole, part = pickle.loads(data, buffers=buffers)
    assert whole.data_ptr() == x.data_ptr() and part.data_ptr() == x.data_ptr() + 80
    # Memory that may not be written is read, and copied before it is written.
    whole, part = pickle.loads(data, buffers=[bytes(buffers[0].raw())])
    whole.add_(1)
    assert whole[0].item() == 1 and x[0].item() == 0


def test_what_has_a_history_is_not_pickled():
    with pytest.raises(RuntimeError, match="detach"):
        pickle.dumps(rt.ones(2, requires_grad=True) * 2)
    with pytest.raises(ValueError, match="do not lie in"):
        rt._core._at_storage(rt.Tensor, rt.ones(3), "float32", [2], [2], 1 + 1)
    with pytest.raises(ValueError, match="do not lie in"):
        rt._core._at_storage(rt.Tensor, rt.ones(3), "float64", [2], [1], 0)
    with pytest.raises(ValueError, match="no elements of float64"):
        rt._core._storage_on(b"1234", "float64")
    with pytest.raises(ValueError, match="unknown dtype"):
        rt._core._storage_on(b"1234", "complex64")


def test_copies_and_weak_references():
    x = rt.ones(2)
    reference = weakref.ref(x)
    assert reference() is x
    assert copy.copy(x).data_ptr() == x.data_ptr()
    a, b = copy.deepcopy([x, x.view(2, 1)])
    a.zero_()
    assert b.tolist() == [[0], [0]] and x.tolist() == [1, 1]
    del x
    assert reference() is None


NESTED = {
    "text": "wörter",
    "numbers": [1, -(2**70), 0.1, float("inf"), -float("inf")],
    "flags": (True, False, None),
    "size": rt.Size([2, 3]),
    "dtype": rt.bfloat16,
    3: {"inner": [[], {}, ()]},
    (1, "a"): OrderedDict(z=1, a=2),
    None: 0,
    2.5: "float",
}


def test_nested_data_arrives(tmp_path):
    rt.save(NESTED, tmp_path / "data")
    got = rt.load(str(tmp_path / "data"))
    assert got == NESTED and list(got) == list(NESTED)
    assert [type(value) for value in got.values()] == [type(value) for value in NESTED.values()]
    assert type(got["flags"][0]) is bool and type(got["numbers"][0]) is int
    rt.save(float("nan"), tmp_path / "nan")
    assert np.isnan(rt.load(tmp_path / "nan", map_location="cpu"))


def test_other_programs_read_the_tensors(tmp_path):
    rt.save({"w": rt.arange(6.0).view(2, 3), "b": rt.ones(2, dtype=rt.bool), "n": 3}, tmp_path / "f.safetensors")
    data = (tmp_path / "f.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    assert header["w"] == {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    assert header["b"] == {"dtype": "BOOL", "shape": [2], "data_offsets": [24, 26]}
    assert np.frombuffer(data[8 + size :][:24], "<f4").tolist() == [0, 1, 2, 3, 4, 5]


def test_files_of_other_programs_are_read():
    body = np.arange(4, dtype="<i2").tobytes()
    header = json.dumps({"x": {"dtype": "I16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    got = rt.load(io.BytesIO(len(header).to_bytes(8, "little") + header + body))
    assert list(got) == ["x"] and got["x"].dtype == rt.int16 and got["x"].tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, np.ones(2), 1j, b"bytes", lambda: 0, rt.nn.Linear(1, 1), [rt.ones(1), {"a": object()}]]
)
def test_what_cannot_be_saved_is_named(tmp_path, value):
    path = tmp_path / "f"
    path.write_text("before")
    with pytest.raises(TypeError, match=r"cannot save an object of type .* at obj"):
        rt.save({"key": value}, path)
    # The file is as it was, and there is no other.
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_refusals(tmp_path):
    circle = []
    circle.append(circle)
    with pytest.raises(ValueError, match="contains itself"):
        rt.save(circle, tmp_path / "f")
    with pytest.raises(TypeError, match="key"):
        rt.save({rt.ones(1): 1}, tmp_path / "f")
    with pytest.raises(TypeError, match="text"):
        rt.save(1, io.StringIO())
    with pytest.raises(TypeError, match="text"):
        rt.load(io.StringIO("text"))
    with pytest.raises(FileNotFoundError):
        rt.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        rt.save(1, tmp_path / "no" / "folder")
    rt.save(1, tmp_path / "f")
    with pytest.raises(ValueError, match="weights_only"):
        rt.load(tmp_path / "f", weights_only=False)
    with pytest.raises((ValueError, RuntimeError)):
        rt.load(tmp_path / "f", map_location="cuda")
    with pytest.raises(ValueError, match="archive"):
        rt.load(io.BytesIO(b"PK\x03\x04" + bytes(100)))


def test_no_damage_goes_unnoticed_or_does_harm(tmp_path):
    path = Path(tmp_path / "f")
    rt.save({"a": rt.arange(10), "b": [rt.ones(3), "text"]}, path)
    data = path.read_bytes()
    size = 8 + int.from_bytes(data[:8], "little")
    for cut in [*range(0, size, 7), *range(size, len(data), 5)]:
        with pytest.raises(ValueError, match="damaged"):
            rt.load(io.BytesIO(data[:cut]))
    rng = np.random.default_rng(3)
    for _ in range(300):
        broken = bytearray(data)
        broken[rng.integers(0, size)] = rng.integers(0, 256)
        try:
            rt.load(io.BytesIO(broken))
        except ValueError:
            continue


def test_a_file_that_is_written_again_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "f"
    rt.save([rt.ones(3)], path)
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        rt.save([rt.zeros(300)], path)
    assert rt.load(path)[0].tolist() == [1, 1, 1] and list(tmp_path.iterdir()) == [path]
