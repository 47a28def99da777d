"""Settings of a deployment: one name each, the environment wins, all mistakes at once, no secret shown."""

from datetime import timedelta

import pytest

from probes.platform.dialects import SessionKey
from probes.platform.settings import PlatformSettings, load, setting_name
from synthetics.errors import SettingsError


def test_the_seeds_defaults() -> None:
    settings = load({}, {})
    assert settings.session_table == "webordinary-edit-sessions"
    assert settings.session_key is SessionKey.AUTO
    assert settings.container_ready_timeout == timedelta(seconds=60)
    assert settings.idle_timeout == timedelta(minutes=5)
    assert not settings.isolated
    assert settings.preview_host("acme") == "edit.acme.webordinary.com"


def test_the_environment_wins_and_units_are_the_contracts() -> None:
    settings = load(
        {"alb_endpoint": "http://a", "idle_timeout_s": 60, "session_table": "mine"},
        {"ALB_ENDPOINT": "http://b:8000/", "CONTAINER_READY_TIMEOUT": "4500", "STARTING_PAGE_STATUS": "202"},
    )
    assert settings.hermes == "http://b:8000/hermes"
    assert settings.idle_timeout == timedelta(seconds=60)
    assert settings.container_ready_timeout == timedelta(seconds=4.5)
    assert settings.session_table == "mine"
    assert settings.starting_page_status == frozenset({202})


def test_other_names_of_the_entrance() -> None:
    assert load({}, {"ALB_DNS_NAME": "alb.example"}).alb == "https://alb.example"
    assert load({}, {"ALB_URL": "http://u", "ALB_DNS_NAME": "alb.example"}).alb == "http://u"
    assert load({}, {"HERMES_API_URL": "http://h"}).hermes == "http://h"


def test_an_entrance_that_nobody_set_is_asked_for_and_never_guessed() -> None:
    settings = load({}, {"HERMES_ENDPOINT": "http://h"})

    assert [line.partition(";")[0] for line in settings.unset()] == ["ALB_ENDPOINT: not set"]
    assert "`synthetics sandbox`" in settings.unset()[0]
    with pytest.raises(SettingsError, match="ALB_ENDPOINT: not set"):
        _ = settings.api
    for name in ("ALB_ENDPOINT", "ALB_URL", "ALB_DNS_NAME"):
        assert load({}, {name: "http://one" if name != "ALB_DNS_NAME" else "one"}).unset() == ()


def test_the_patience_for_a_sleep_follows_the_longer_wait_and_the_scale_down() -> None:
    def patience(**given: str) -> float:
        return load({}, given).sleep_patience.total_seconds()

    assert patience() == 300 + 60 + 30, "a container looks once a minute whether it is idle"
    assert patience(IDLE_TIMEOUT_S="60", IDLE_CHECK_S="5") == 70 + 30
    assert patience(IDLE_TIMEOUT_S="1200", SCALE_DOWN_TIMEOUT="5000") == 1200 + 60 + 5


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load(
            {"idle_timeot_s": 20, "zzz": 1, "max_tasks": 0, "client_prefix": "X_"},
            {
                "ALB_ENDPOINT": "ftp:x",
                "ROUTING_DIALECT": "labda",
                "CONTAINER_READY_TIMEOUT": "-1",
                "TARGET_WAKE_S": "soon",
                "INTERNAL_API_KEY": "hush",
            },
        )
    told = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 8
    assert "platform.idle_timeot_s: there is no such setting; did you mean 'idle_timeout_s'?" in told
    assert "ROUTING_DIALECT: found 'labda', allowed is one of path, lambda" in told
    assert "ALB_ENDPOINT: found 'ftp:x', allowed is an address" in told
    assert "CONTAINER_READY_TIMEOUT: found '-1', allowed is a number above zero" in told
    assert "platform.max_tasks: found 0" in told
    assert "hush" not in told


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("VERIFY_TLS", "perhaps", "true or false"),
        ("HERMES_PORT", "three", "a whole number from 1 to 65535"),
        ("HERMES_PORT", "0", "a whole number from 1 to 65535"),
        ("STARTING_PAGE_STATUS", "202,soon", "a list of HTTP statuses, parted by commas"),
        ("SESSION_TABLE", "x" * 256, "string should have at most 255 characters"),
    ],
)
def test_what_was_wanted_is_told_in_plain_words(name: str, value: str, wanted: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({}, {name: value})

    (told,) = caught.value.problems
    assert told.startswith(f"{name}: found ")
    assert told.endswith(f", allowed is {wanted}")


def test_what_was_written_in_a_file_names_the_file() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"zzz": 1, "max_tasks": 0}, {"VERIFY_TLS": "perhaps"}, file="here.toml")

    unknown, *wrong = caught.value.problems
    assert unknown.startswith("platform.zzz in here.toml: there is no such setting")
    assert sorted(problem.partition(":")[0] for problem in wrong) == [
        "VERIFY_TLS",
        "platform.max_tasks in here.toml",
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "0", "-0.0", "", " ", "1e400"])
def test_durations_that_are_none(value: str) -> None:
    if not value:
        assert load({}, {"TARGET_WAKE_S": value}).target_wake == timedelta(seconds=60)
        return
    with pytest.raises(SettingsError, match="TARGET_WAKE_S"):
        load({}, {"TARGET_WAKE_S": value})


def test_what_a_way_to_look_needs() -> None:
    with pytest.raises(SettingsError, match="WORKSPACE_ROOT: not set"):
        load({}, {"FILE_CHECK": "efs-mount"})
    with pytest.raises(SettingsError, match="GIT_REMOTE: not set"):
        load({"file_check": "git-remote"}, {})


def test_names_are_unique() -> None:
    names = [setting_name(field) for field in PlatformSettings.model_fields]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() for name in names)
