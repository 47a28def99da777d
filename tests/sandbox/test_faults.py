"""Faults: declared once, checked when set, struck as asked."""

import multiprocessing
from pathlib import Path

import pytest

from sandbox.faults import FAULTS, FaultError, Faults, UnknownFault, fault_spec
from sandbox.profile import Profile
from sandbox.settings import SandboxSettings


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path)


def test_a_fault_strikes_until_it_is_cleared(faults: Faults) -> None:
    assert faults.strikes("slow-boot") is None
    faults.set("slow-boot")
    assert faults.strikes("slow-boot") == faults.active()["slow-boot"]
    assert faults.clear("slow-boot")
    assert faults.strikes("slow-boot") is None
    assert not faults.clear("slow-boot")


def test_every_fault_says_what_it_does_and_which_cases_it_breaks() -> None:
    assert len(FAULTS) >= 13
    for spec in FAULTS.values():
        assert spec.breaks
        assert spec.what.endswith(".")


def test_times_is_used_up_among_all_processes(faults: Faults, tmp_path: Path) -> None:
    faults.set("capacity-refused", {"times": 5})
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        struck = pool.map(_strikes, [tmp_path] * 12)
    assert sum(struck) == 5
    faults.set("capacity-refused", {"times": 1})
    assert faults.strikes("capacity-refused") is not None, "setting it again starts a new count"
    assert faults.strikes("capacity-refused") is None
    assert faults.is_on("capacity-refused")


def _strikes(directory: Path) -> bool:
    return Faults(directory).strikes("capacity-refused") is not None


def test_for_and_probability_choose_whom_it_strikes(faults: Faults) -> None:
    faults.set("preview-broken", {"for": "syn-a"})
    assert faults.strikes("preview-broken", client="syn-a1") is not None
    assert faults.strikes("preview-broken", client="syn-b1") is None
    assert not faults.is_on("preview-broken", client="syn-b1")
    faults.set("preview-broken", {"probability": 0.5})
    struck = sum(faults.strikes("preview-broken") is not None for _ in range(400))
    assert 140 < struck < 260
    faults.set("preview-broken", {"probability": 0})
    assert faults.strikes("preview-broken") is None


def test_a_factor_alone_adds_nothing_else(faults: Faults) -> None:
    assert faults.set("slow-image-pull", {"factor": 1.4})["amount"] == 0
    assert faults.set("slow-image-pull")["amount"] == 90


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("slow-boat", {}, "There is no fault 'slow-boat'. Did you mean 'slow-boot'?"),
        ("slow-boot", {"amuont": 3}, "There is no parameter 'amuont'. Did you mean 'amount'?"),
        ("slow-boot", {"probability": 2}, "probability: wanted a number from 0 to 1, got 2"),
        ("slow-boot", {"times": 0}, "times: wanted a whole number of 1 or more, or null, got 0"),
        ("slow-boot", {"amount": "much"}, "amount: wanted a number of 0 or more, got 'much'"),
        ("slow-boot", {"for": 7}, "for: wanted text, got 7"),
        ("preview-broken", {"status": 1.5}, "status: wanted a whole number, got 1.5"),
    ],
)
def test_what_cannot_be_set_is_told(
    faults: Faults, name: str, parameters: dict[str, float], sentence: str
) -> None:
    with pytest.raises(FaultError) as told:
        faults.set(name, parameters)
    assert str(told.value) == sentence
    assert faults.active() == {}


def test_an_unknown_name_is_told_from_a_bad_parameter() -> None:
    with pytest.raises(UnknownFault):
        fault_spec("nonsense")


def test_the_same_seed_draws_the_same_phases(tmp_path: Path) -> None:
    settings = SandboxSettings(directory=tmp_path, seed=7, speed=0.5)
    first, second = Profile(settings, Faults(tmp_path)), Profile(settings, Faults(tmp_path))
    drawn = [first.draw() for _ in range(5)]
    assert drawn == [second.draw() for _ in range(5)]
    assert len({phases.pull for phases in drawn}) == 5


def test_phases_lie_around_the_contracts_figures_and_scale(tmp_path: Path) -> None:
    profile = Profile(SandboxSettings(directory=tmp_path, speed=0.5), Faults(tmp_path))
    drawn = [profile.draw() for _ in range(500)]
    mean = (
        sum(phases.network + phases.queued + phases.pull + phases.start + phases.health for phases in drawn)
        / 500
    )
    assert mean == pytest.approx(10 * 0.5, rel=0.03)


def test_a_slow_pull_slows_the_pull_and_nothing_else(tmp_path: Path) -> None:
    settings, faults = SandboxSettings(directory=tmp_path, speed=0.5), Faults(tmp_path)
    usual = Profile(settings, faults).draw("syn-a")
    faults.set("slow-image-pull", {"factor": 1.4, "for": "syn-a"})
    slow = Profile(settings, faults).draw("syn-a")
    assert slow.pull == pytest.approx(usual.pull * 1.4)
    assert (slow.network, slow.start, slow.health) == (usual.network, usual.start, usual.health)
    assert Profile(settings, faults).draw("syn-b") == usual
