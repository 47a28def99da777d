"""The ways to people: the real Alertmanager, a web hook and a mail through apprise."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from synthetics.alerting.messages import Links, Message
from synthetics.alerting.notifiers import notifiers
from synthetics.alerting.notifiers.alertmanager import Alertmanager
from synthetics.alerting.notifiers.apprise import Apprise
from synthetics.alerting.trial import tried
from synthetics.clock import SystemClock
from synthetics.errors import DeliveryError
from synthetics.settings import NotifierSettings
from tests.support.alertmanager import RunningAlertmanager, alertmanager, mail_server, receiving
from tests.support.debian import free_port

NOW = datetime.now(UTC).replace(microsecond=0)
MESSAGE = Message(
    incident="7a0f3a52-1c58-4e0e-9c55-3b1b2f6f0d77",
    event="opened",
    alarming=True,
    title="OPEN page: cold-start failing",
    sentence="cold-start failed 2 times in a row: preview: wanted 200, got 503",
    labels={"alertname": "SyntheticsFailing", "probe": "cold-start", "severity": "page", "rule": "failing"},
    details={"Failing step": "see preview", "Likely cause": "first seen after a change of image a → b"},
    began=(NOW - timedelta(minutes=5)).isoformat(),
    page="https://status.test/incidents/7a0f3a52",
    run="https://status.test/runs/1",
    runbook="https://docs.test/failing",
)
OVER = replace(MESSAGE, event="resolved", alarming=False, ended=NOW.isoformat(), sentence="Resolved: it passed")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAlertmanager]:
    with alertmanager(tmp_path_factory.mktemp("alertmanager")) as started:
        yield started


async def test_alertmanager_has_the_alert_with_everything_it_can_hold(running: RunningAlertmanager) -> None:
    await Alertmanager(running.url).tell(MESSAGE, dedup_key="key", now=NOW)

    (alert,) = running.alerts(probe="cold-start")
    assert alert["labels"] == MESSAGE.labels
    assert alert["generatorURL"] == MESSAGE.page
    assert datetime.fromisoformat(alert["startsAt"]) == NOW - timedelta(minutes=5)
    assert datetime.fromisoformat(alert["endsAt"]) > NOW + timedelta(minutes=10)
    notes = alert["annotations"]
    assert notes["summary"] == MESSAGE.sentence
    assert notes["likely_cause"] == "first seen after a change of image a → b"
    assert notes["failing_step"] == "see preview"
    assert (notes["runbook_url"], notes["run"]) == (MESSAGE.runbook, MESSAGE.run)

    await Alertmanager(running.url).tell(MESSAGE, dedup_key="key", now=NOW)
    assert len(running.alerts(probe="cold-start")) == 1, "told twice it is one alert"
    await Alertmanager(running.url).tell(OVER, dedup_key="key", now=NOW)
    assert running.alerts(probe="cold-start") == []


async def test_what_is_over_as_soon_as_it_began_is_over_for_alertmanager_too(
    running: RunningAlertmanager,
) -> None:
    """An end that lies ahead of Alertmanager's clock would be overruled by the later one that the alarm had."""
    now = datetime.now(UTC)
    brief = replace(MESSAGE, labels={**MESSAGE.labels, "probe": "brief"}, began=now.isoformat())
    await Alertmanager(running.url).tell(brief, dedup_key="key", now=now)
    assert len(running.alerts(probe="brief")) == 1
    over = replace(brief, alarming=False, ended=(now + timedelta(seconds=30)).isoformat())
    await Alertmanager(running.url).tell(over, dedup_key="key", now=datetime.now(UTC))

    assert running.alerts(probe="brief") == []


async def test_a_reminder_keeps_an_alert_open_for_longer(running: RunningAlertmanager) -> None:
    other = replace(MESSAGE, labels={**MESSAGE.labels, "probe": "wake"})
    notifier = Alertmanager(running.url)
    await notifier.tell(other, dedup_key="key", now=NOW)
    (before,) = running.alerts(probe="wake")
    await notifier.remind([other], now=NOW + timedelta(minutes=1))

    (after,) = running.alerts(probe="wake")
    gained = datetime.fromisoformat(after["endsAt"]) - datetime.fromisoformat(before["endsAt"])
    assert gained == timedelta(minutes=1)
    await notifier.remind([], now=NOW)


async def test_what_alertmanager_refuses_is_not_tried_again(running: RunningAlertmanager) -> None:
    nameless = replace(MESSAGE, labels={})

    with pytest.raises(DeliveryError, match=r"Alertmanager answered 400: .*at least one label") as caught:
        await Alertmanager(running.url).tell(nameless, dedup_key="key", now=NOW)
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("status", "permanent"), [(500, False), (503, False), (429, False), (401, False), (400, True)]
)
async def test_what_may_pass_is_tried_again(status: int, permanent: bool) -> None:
    async with receiving() as receiver:
        receiver.answers.append(status)
        with pytest.raises(DeliveryError, match=f"Alertmanager answered {status}: said") as caught:
            await Alertmanager(receiver.url).tell(MESSAGE, dedup_key="key", now=NOW)
    assert caught.value.permanent is permanent


async def test_nobody_there_is_told_without_the_password() -> None:
    with pytest.raises(DeliveryError, match="Alertmanager did not answer") as caught:
        await Alertmanager(f"http://me:secret@127.0.0.1:{free_port()}").tell(MESSAGE, dedup_key="key", now=NOW)
    assert not caught.value.permanent
    assert "secret" not in str(caught.value)


async def test_a_web_hook_gets_the_message_through_apprise() -> None:
    async with receiving() as receiver:
        url = receiver.url.replace("http://", "json://")
        await Apprise(url).tell(MESSAGE, dedup_key="key-1", now=NOW)
        await Apprise(url).tell(OVER, dedup_key="key-1", now=NOW)

        opened, resolved = receiver.bodies
        assert opened["title"] == MESSAGE.title
        assert opened["message"] == f"{MESSAGE.text()}\n\nKey: key-1"
        assert (opened["type"], resolved["type"]) == ("failure", "success")
        assert "Likely cause: first seen after a change of image a → b" in opened["message"]


async def test_a_mail_gets_there_through_apprise() -> None:
    async with mail_server() as (port, mails):
        url = f"mailto://127.0.0.1:{port}?from=synthetics@example.org&to=oncall@example.org&mode=insecure&format=text"
        await Apprise(url).tell(MESSAGE, dedup_key="key-1", now=NOW)

        (mail,) = mails
        assert "Subject: OPEN page: cold-start failing" in mail
        assert "To: oncall@example.org" in mail


async def test_what_apprise_cannot_send_is_told_with_its_reason() -> None:
    async with receiving() as receiver:
        receiver.answers.append(500)
        with pytest.raises(DeliveryError, match=r"apprise could not send it: .*500") as caught:
            await Apprise(receiver.url.replace("http://", "json://")).tell(MESSAGE, dedup_key="key", now=NOW)
    assert not caught.value.permanent

    with pytest.raises(DeliveryError, match="apprise does not know this kind of URL") as caught:
        await Apprise("nosuchthing://host").tell(MESSAGE, dedup_key="key", now=NOW)
    assert caught.value.permanent


async def test_a_trial_says_what_is_wrong_or_nothing(running: RunningAlertmanager) -> None:
    given = {
        "good": NotifierSettings.model_validate({"alertmanager": running.url}),
        "bad": NotifierSettings.model_validate({"apprise": "nosuchthing://host"}),
    }
    outcomes = {
        name: await tried(notifier, Links("https://status.test"), SystemClock())
        for name, notifier in notifiers(given).items()
    }
    assert outcomes == {"good": None, "bad": "apprise does not know this kind of URL"}
