"""The catalogue: every id of the contract, once, as a sentence."""

import pytest

from probes.cases import CASES, cases
from synthetics.errors import ProbeBroken
from synthetics.model.check import Effect

FAMILIES = {
    "CS": 8, "SP": 7, "CC": 9, "AR": 12, "FR": 6, "CH": 11, "PB": 2, "SR": 10, "SA": 10, "SV": 9, "LR": 5,
    "AS": 12, "SH": 4, "INT": 4, "QM": 9, "MP": 7, "CL": 7, "TH": 8, "LD": 5, "E2E": 2, "INF": 18,
}  # fmt: skip


def test_every_case_is_there_once() -> None:
    assert set(CASES) == {f"{family}-{n:02}" for family, count in FAMILIES.items() for n in range(1, count + 1)}
    promises = [case.promise for case in CASES.values()]
    assert len(set(promises)) == len(promises)
    for case in CASES.values():
        assert case.promise[0].isupper()
        assert case.promise.endswith(".")


def test_effects_are_the_contracts() -> None:
    assert CASES["CS-04"].effect is Effect.NONE
    assert CASES["CS-02"].effect is Effect.ROWS
    assert CASES["FR-01"].effect is Effect.KILL
    assert CASES["SR-08"].effect is Effect.LOAD
    assert CASES["SR-10"].effect is Effect.FAULT
    assert CASES["CS-01"].effect is Effect.SCALE


def test_an_unknown_case_is_told_with_the_nearest() -> None:
    assert [case.id for case in cases("CS-02", "CS-01")] == ["CS-02", "CS-01"]
    with pytest.raises(ProbeBroken, match="CS-99"):
        cases("CS-99")
