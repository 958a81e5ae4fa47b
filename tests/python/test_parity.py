"""Every row of the parity table under every aspect that applies to it."""

import pytest
from parity.cases import aspects, cases
from parity.compare import check, verify
from parity.rows import TABLE

TESTS = [
    pytest.param(row, aspect, id=f"{row.name}{number}-{aspect}" if number else f"{row.name}-{aspect}")
    for number, row in ((sum(other.name == row.name for other in TABLE[:at]), row) for at, row in enumerate(TABLE))
    for aspect in aspects(row)
]


@pytest.mark.parametrize(("row", "aspect"), TESTS)
def test_parity(row, aspect, lib, oracle):
    verify([text for case in cases(row, aspect) for text in check(case, lib, oracle)])
