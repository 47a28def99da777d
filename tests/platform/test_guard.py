"""The one place that every change passes."""

import pytest

from probes.platform.guard import Belongings, Guard
from synthetics.errors import GuardRefused
from tests.support.engine import DictLedger


def guard(*, isolated: bool = True) -> Guard:
    return Guard("syn-1a2b3c4d", "1a2b3c4d", Belongings(DictLedger()), isolated=isolated)


@pytest.mark.parametrize(
    "name", ["syn-1a2b3c4d", "syn-1a2b3c4d-site-jane", "webordinary-input-syn-1a2b3c4d-x", "first-1a2b3c4d"]
)
def test_what_carries_the_tag_is_ours(name: str) -> None:
    guard().own("container", name)


@pytest.mark.parametrize("name", ["", None, "acme", "syn-1a2b3c4d5", "x1a2b3c4d", "syn-ffffffff-site", "1a2b"])
def test_what_does_not_is_refused(name: str | None) -> None:
    with pytest.raises(GuardRefused, match="did not make it"):
        guard().own("container", name)


@pytest.mark.parametrize("client", ["acme", "", None, 7, "syn-1a2b3c4d2", "xsyn-1a2b3c4d", "acme-syn-1a2b3c4d"])
def test_only_our_own_clients_act(client: object) -> None:
    with pytest.raises(GuardRefused):
        guard().own_client(client)
    guard().own_client("syn-1a2b3c4d")
    guard().own_client("syn-1a2b3c4d-second")


async def test_what_is_in_the_ledger_is_ours() -> None:
    watched = guard()
    entry = await watched.belongings.intend("session", "syn-1a2b3c4d", client="syn-1a2b3c4d")
    await watched.belongings.created(entry, "session", "9f3c-uuid", client="syn-1a2b3c4d")
    watched.own("session", "9f3c-uuid")
    assert not watched.owns("container", "9f3c-uuid"), "of its own kind alone"
    assert watched.belongings.entered() == {("session", "9f3c-uuid")}
    await watched.belongings.gone("session", "9f3c-uuid")
    assert watched.belongings.entered() == frozenset()


async def test_an_intention_that_came_to_nothing_is_not_forgotten_over_one_of_the_same_name() -> None:
    watched = guard()
    await watched.belongings.intend("session", "syn-1a2b3c4d")
    entry = await watched.belongings.intend("session", "syn-1a2b3c4d", client="syn-1a2b3c4d")
    await watched.belongings.created(entry, "session", "9f3c-uuid", client="syn-1a2b3c4d")

    assert watched.belongings.entered() == {("session", "syn-1a2b3c4d"), ("session", "9f3c-uuid")}
    assert watched.belongings.clients() == {"syn-1a2b3c4d"}


def test_some_things_need_a_platform_to_oneself() -> None:
    guard().alone("scale")
    with pytest.raises(GuardRefused, match="refused to scale: other people use this platform"):
        guard(isolated=False).alone("scale")


def test_a_user_of_ours_is_known_by_the_spelling_of_container_ids_too() -> None:
    watched = guard()
    assert not watched.own_user_in("-site-TESTnobody1a2b3c4d")
    watched.adopt_user("TEST_nobody-1a2b3c4d")
    assert watched.own_user_in("-site-TESTnobody1a2b3c4d")
    assert not watched.own_user_in("acme-site-TESTnobody1a2b3c4d5")
    assert not watched.own_user_in("acme-site-jane")


def test_a_user_who_bears_the_tag_only_where_ids_drop_it_owns_no_container() -> None:
    watched = guard()
    watched.adopt_user("jane@1a2b3c4d.example")
    assert not watched.own_user_in("acme-site-jane")
    with pytest.raises(GuardRefused):
        watched.adopt_user("jane@acme.example")
