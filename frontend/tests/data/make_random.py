"""Writes random.txt: what torch's CPU generator yields, as a script that the tests of `random` replay.

Run it with an interpreter that has torch: `python frontend/tests/data/make_random.py`. Each line is one call on the
generator, in order, and what came of it:

    seed 42                         restart the stream
    call <dtype> <length> <name> <arguments> : <fnv of all bytes> : <sampled elements>
    refuse <dtype> <length> <name> <arguments> : <message>
    warn <dtype> <from> <to> : <message> : ...
    order <sizes> <strides> : <offsets as an in-place fill visits them>
    state : <fnv of the serialised state>

Elements are hexadecimal bit patterns. Up to 17 are given in full, otherwise the first 8, every 97th and the last 17.
"""

import warnings
from itertools import chain
from pathlib import Path

import torch

FLOATS = ["f32", "f64", "f16", "bf16"]
INTEGERS = ["u8", "i8", "i16", "i32", "i64"]
DTYPES = {
    "f32": torch.float32,
    "f64": torch.float64,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "u8": torch.uint8,
    "i8": torch.int8,
    "i16": torch.int16,
    "i32": torch.int32,
    "i64": torch.int64,
    "bool": torch.bool,
}
SIZES = [1, 7, 15, 16, 17, 1000]
VIEW = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def fnv(data: bytes) -> str:
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def sampled(length: int) -> list[int]:
    if length <= 17:
        return list(range(length))
    return sorted({*range(8), *range(0, length, 97), *range(length - 17, length)})


def weights(length: int, dtype: str) -> torch.Tensor:
    """A row of uneven weights with a zero in it, exact in every dtype."""
    return torch.tensor([(i * 7 % 5 + i % 3) / 8 for i in range(length)], dtype=DTYPES[dtype])


def probabilities(length: int, dtype: str) -> torch.Tensor:
    return torch.tensor([i % 9 / 8 for i in range(length)], dtype=DTYPES[dtype])


class Script:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.generator = torch.Generator()

    def seed(self, seed: int) -> None:
        self.generator.manual_seed(seed)
        self.lines.append(f"seed {seed}")

    def state(self) -> None:
        self.lines.append(f"state : {fnv(self.generator.get_state().numpy().tobytes())}")

    def call(self, dtype: str, length: int, name: str, *arguments: object) -> None:
        out = self.run(DTYPES[dtype], length, name, arguments)
        width = out.element_size()
        bits = out.contiguous().view(VIEW[width]).tolist()
        mask = (1 << 8 * width) - 1
        data = b"".join((value & mask).to_bytes(width, "little") for value in bits)
        shown = " ".join(f"{bits[i] & mask:x}" for i in sampled(len(bits)))
        words = " ".join([dtype, str(length), name, *map(str, arguments)])
        self.lines.append(f"call {words} : {fnv(data)} : {shown}")

    def run(self, dtype: torch.dtype, length: int, name: str, arguments: tuple) -> torch.Tensor:
        generator = self.generator
        if name == "multinomial":
            row, samples, replacement = arguments
            key = next(key for key, value in DTYPES.items() if value == dtype)
            table = weights(length, key).repeat(row, 1)
            return torch.multinomial(table, samples, bool(replacement), generator=generator).flatten()
        if name == "multinomial_of":
            row = torch.tensor([float(weight) for weight in arguments[0].split(",")], dtype=dtype)
            return torch.multinomial(row, arguments[1], bool(arguments[2]), generator=generator)
        if name == "randperm":
            return torch.randperm(length, dtype=dtype, generator=generator)
        if name == "normal_strided":
            return torch.empty(2 * length, dtype=dtype)[::2].normal_(*arguments, generator=generator)
        out = torch.empty(length, dtype=dtype)
        if name == "bernoulli_of":
            return out.bernoulli_(torch.full((length,), arguments[0]), generator=generator)
        if name == "bernoulli_with":
            return out.bernoulli_(probabilities(length, arguments[0]), generator=generator)
        if name == "random_from":
            return out.random_(arguments[0], None, generator=generator)
        return getattr(out, name + "_")(*arguments, generator=generator)

    def refuse(self, dtype: str, length: int, name: str, *arguments: object) -> None:
        words = " ".join([dtype, str(length), name, *map(str, arguments)])
        try:
            self.run(DTYPES[dtype], length, name, arguments)
        except RuntimeError as error:
            self.lines.append(f"refuse {words} : {str(error).splitlines()[0]}")
        else:
            raise AssertionError(f"torch accepts {words}")

    def warn(self, dtype: str, low: int, high: int) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.empty(0, dtype=DTYPES[dtype]).random_(low, high)
        messages = [f" : {str(warning.message).split(' (Triggered')[0]}" for warning in caught]
        self.lines.append(f"warn {dtype} {low} {high}{''.join(messages)}")

    def order(self, sizes: list[int], strides: list[int]) -> None:
        """The offsets of a buffer in the order in which a fill of this layout draws for them."""
        buffer = torch.full((1000,), -1.0, dtype=torch.float64)
        view = torch.as_strided(buffer, sizes, strides)
        seed = self.generator.initial_seed()
        view.uniform_(generator=torch.Generator().manual_seed(seed))
        draws = torch.rand(view.numel(), dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).tolist()
        offset = {value: index for index, value in enumerate(buffer.tolist())}
        shown = [",".join(map(str, values)) for values in (sizes, strides)]
        self.lines.append(f"order {' '.join(shown)} : {' '.join(str(offset[draw]) for draw in draws)}")


def refusals(script: Script) -> None:
    for dtype in FLOATS:
        script.refuse(dtype, 3, "uniform", 3.0, 1.5)
        script.refuse(dtype, 3, "uniform", float("-inf"), 1.5)
        script.refuse(dtype, 3, "uniform", 1.5, float("inf"))
        script.refuse(dtype, 3, "normal", 0.0, -1.0)
        script.refuse(dtype, 30, "normal", 0.0, -0.000012345678)
        script.refuse(dtype, 3, "exponential", -1.0)
        script.refuse(dtype, 3, "cauchy", 0.0, 0.0)
        script.refuse(dtype, 3, "log_normal", 0.0, -1234567.0)
        script.refuse(dtype, 2, "multinomial_of", "-1,2", 2, 1)
        script.refuse(dtype, 2, "multinomial_of", "nan,2", 2, 1)
        script.refuse(dtype, 2, "multinomial_of", "inf,2", 2, 1)
        script.refuse(dtype, 2, "multinomial_of", "0,0", 2, 1)
        script.refuse(dtype, 2, "multinomial_of", "0,0", 2, 0)
        script.refuse(dtype, 2, "multinomial_of", "-1,2", 1, 0)
        script.refuse(dtype, 2, "multinomial_of", "nan,2", 1, 1)
        script.refuse(dtype, 2, "multinomial_of", "1,2", 3, 0)
        script.refuse(dtype, 2, "multinomial_of", "1,2", 0, 0)
    script.refuse("f16", 3, "uniform", -60000.0, 60000.0)
    script.refuse("bf16", 3, "uniform", -3e38, 3e38)
    script.refuse("f32", 3, "uniform", -3e38, 3e38)
    script.refuse("f64", 3, "uniform", -1e308, 1e308)
    for dtype in [*FLOATS, *INTEGERS, "bool"]:
        script.refuse(dtype, 3, "random", 5, 3)
        script.refuse(dtype, 3, "bernoulli", 1.5)
        script.refuse(dtype, 3, "bernoulli_of", -0.5)
        if dtype != "bool":
            script.refuse(dtype, 3, "geometric", 1.0)
    for dtype in ["f16", "u8", "i8", "i16", "i32", "bool"]:
        script.refuse(dtype, 3, "random", 0, 2**62)
        script.refuse(dtype, 3, "random", -(2**62), 1)
        script.refuse(dtype, 3, "random_from", -(2**63))
        script.refuse(dtype, 3, "random_from", -(2**62))
    script.refuse("f32", 3, "random_from", 2**30)
    script.refuse("i8", 130, "randperm")
    script.refuse("u8", 258, "randperm")
    script.refuse("i16", 40000, "randperm")
    script.refuse("f16", 3000, "randperm")
    script.refuse("f16", 70000, "randperm")
    script.refuse("f32", 2**24 + 2, "randperm")
    for dtype in [*FLOATS, "i64"]:
        script.warn(dtype, 0, 10)
        if dtype != "f16":
            script.warn(dtype, -(2**62), 2**62)
            script.warn(dtype, 0, 2**62)
    script.warn("f16", -2048, 2050)


def orders(script: Script) -> None:
    script.seed(8)
    script.order([3, 4], [4, 1])
    script.order([4, 3], [1, 4])
    script.order([2, 3, 4], [12, 4, 1])
    script.order([4, 2, 3], [1, 12, 4])
    script.order([3, 4, 2], [4, 1, 12])
    script.order([3, 1, 4], [8, 100, 2])
    script.order([1, 5], [0, 3])
    script.order([5, 1], [2, 2])
    script.order([2, 3, 1, 2], [60, 2, 7, 30])
    script.order([2, 2], [3, 2])
    script.order([], [])


def main() -> None:
    script = Script()
    for seed in [0, 1, 42, 2**31 + 5, 2**32 + 42, 2**64 - 1]:
        script.seed(seed)
        for dtype in FLOATS:
            for size in SIZES:
                script.call(dtype, size, "uniform", 0.0, 1.0)
                script.call(dtype, size, "normal", 0.0, 1.0)
        script.state()
    script.seed(3)
    for dtype, size in ((dtype, size) for dtype in FLOATS for size in SIZES):
        script.call(dtype, size, "uniform", -1.25, 3.1)
        script.call(dtype, size, "normal", 0.3, 2.7)
        script.call(dtype, size, "normal_strided", -1.5, 0.7)
        script.call(dtype, size, "log_normal", 0.1, 0.9)
        script.call(dtype, size, "exponential", 1.0)
        script.call(dtype, size, "exponential", 2.3)
        script.call(dtype, size, "cauchy", 0.2, 1.7)
        script.call(dtype, size, "geometric", 0.37)
        script.call(dtype, size, "bernoulli", 0.4)
        script.call(dtype, size, "bernoulli_with", dtype)
        script.call(dtype, size, "random")
        script.call(dtype, size, "random", -5, 13)
        script.call(dtype, size, "random_from", 3)
        script.state()
    for dtype, low, high in [("f32", -(2**24) - 9, 2**40 + 3), ("f64", -(2**60) - 9, 2**62 + 3), ("bf16", -999, 777)]:
        script.call(dtype, 1000, "random", low, high)
    for low, high in [(2049, 2050), (2047, 2053), (-4097, -4090)]:
        script.call("f16", 17, "random", low, high)
    for dtype in ["f32", "f64", "bf16", "i64"]:
        script.call(dtype, 17, "random_from", -(2**63))
    script.seed(4)
    for dtype, size in ((dtype, size) for dtype in INTEGERS for size in SIZES):
        script.call(dtype, size, "random")
        script.call(dtype, size, "random", 0, 10)
        script.call(dtype, size, "random", 3, 127)
        script.call(dtype, size, "random_from", 1)
        script.call(dtype, size, "geometric", 0.6)
        script.call(dtype, size, "bernoulli", 0.25)
        script.call(dtype, size, "bernoulli_with", "f32")
        script.state()
    for size in SIZES:
        script.call("bool", size, "random")
        script.call("bool", size, "random", 0, 2)
        script.call("bool", size, "bernoulli", 0.75)
        script.call("bool", size, "bernoulli_with", "f64")
    for low, high in [(0, 2**28 - 1), (0, 2**28), (-(2**28), 0), (-(2**31), 2**31 - 1)]:
        script.call("i32", 17, "random", low, high)
    for low, high in [(0, 2**32), (-7, 2**32 - 8), (-(2**62), 2**62 + 5), (-(2**63), 2**63 - 1)]:
        script.call("i64", 17, "random", low, high)
    script.seed(5)
    for dtype, size in chain((("i64", size) for size in [0, *SIZES, 5000]), (("u8", 256), ("i8", 128), ("i32", 999))):
        script.call(dtype, size, "randperm")
    for dtype, size in [("f32", 1000), ("f64", 1000), ("f16", 2049), ("bf16", 500), ("i16", 1000)]:
        script.call(dtype, size, "randperm")
    script.seed(6)
    for dtype in FLOATS:
        for size in [7, 16, 1000]:
            script.call(dtype, size, "multinomial", 1, 5, 1)
            script.call(dtype, size, "multinomial", 3, 40, 1)
            script.call(dtype, size, "multinomial", 2, 1, 0)
            script.call(dtype, size, "multinomial", 1, 1, 1)
            if dtype in ("f32", "f64"):
                script.call(dtype, size, "multinomial", 2, min(size - 3, 6), 0)
    script.state()
    script.seed(7)
    for size in [1, 2, 3, 16, 1, 17, 5, 1]:
        for dtype in FLOATS:
            script.call(dtype, size, "normal", 0.0, 1.0)
            script.call(dtype, 1, "normal", 1.0, 2.0)
            script.call("i64", 3, "random", 0, 100)
        script.state()
    refusals(script)
    script.state()
    orders(script)
    target = Path(__file__).with_name("random.txt")
    target.write_text("\n".join(script.lines) + "\n")


if __name__ == "__main__":
    main()
