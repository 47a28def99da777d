"""Settings: where they come from, which wins, and what people are told about mistakes."""

from datetime import timedelta
from pathlib import Path

import pytest

from synthetics.errors import SettingsError
from synthetics.log import LogFormat
from synthetics.model.incident import Rule
from synthetics.settings import Settings, examine, load
from synthetics.sources import entries

PROBES = ("cold-start", "session-resumption")
DURATION = 'allowed is a duration over zero: seconds, or "90s", "15m", "1h30m", "PT15M"'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "synthetics.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(None, environ, known_probes=PROBES)
    return caught.value.problems


def test_without_a_file_and_variables_there_are_the_defaults() -> None:
    assert load(None, {}) == Settings()


def test_the_file_in_the_working_directory_is_read() -> None:
    write('log_format = "json"\n[worker]\nslots = 3\n[platform]\nanything = [1, 2]')

    settings = load(None, {})

    assert settings.log_format is LogFormat.JSON
    assert settings.worker.slots == 3
    assert settings.platform == {"anything": [1, 2]}


def test_a_named_file_is_read_instead_and_a_path_beats_the_variable() -> None:
    write("[worker]\nslots = 3")
    write("[worker]\nslots = 4", "other.toml")
    write("[worker]\nslots = 5", "third.toml")

    assert load(None, {"SYNTHETICS_CONFIG": "other.toml"}).worker.slots == 4
    assert load(Path("third.toml"), {"SYNTHETICS_CONFIG": "other.toml"}).worker.slots == 5


def test_the_environment_wins_over_the_file() -> None:
    write('state_dir = "a"\n[api]\nhost = "h"\nport = 1\n[probes.cold-start]\nevery = "15m"\ntimeout = 60')

    settings = load(
        None,
        {
            "SYNTHETICS_API__PORT": "2",
            "SYNTHETICS_PROBES__COLD_START__EVERY": "90s",
            "SYNTHETICS_PROBES__SESSION_RESUMPTION__ENABLED": "false",
            "SYNTHETICS_DATABASE_URL": "postgresql://me@here/it",
            "UNRELATED": "x",
        },
        known_probes=PROBES,
    )

    assert (settings.api.host, settings.api.port) == ("h", 2)
    assert settings.probes["cold-start"].every == timedelta(seconds=90)
    assert settings.probes["cold-start"].timeout == timedelta(seconds=60)
    assert settings.probes["session-resumption"].enabled is False
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://me@here/it"


def test_an_empty_variable_counts_as_unset() -> None:
    write("[worker]\nslots = 3")

    assert load(None, {"SYNTHETICS_WORKER__SLOTS": "", "SYNTHETICS_DATABASE_URL": " "}).worker.slots == 3


def test_hyphen_and_underscore_are_the_same_in_probe_names() -> None:
    write('[probes.cold_start]\nevery = "15m"')

    settings = load(None, {"SYNTHETICS_PROBES__COLD_START__TIMEOUT": "60"}, known_probes=PROBES)

    assert list(settings.probes) == ["cold-start"]
    assert settings.probes["cold-start"].every == timedelta(minutes=15)
    assert settings.probes["cold-start"].timeout == timedelta(minutes=1)


def test_every_mistake_is_told_at_once_as_the_person_wrote_it() -> None:
    write(
        'log_level = "loud"\nlog_forma = "json"\n[worker]\nslots = 0\nlease = "soon"\nslotz = 3\n'
        '[api]\nport = "x"\n'
        "[probes.cold_start]\ntimeout = -3\n[probes.cold-strat]\nevery = 3\n"
    )

    told = problems(
        {
            "SYNTHETICS_WORKER__SLOT": "3",
            "SYNTHETICS_WORKER__DRAIN": "1x",
            "SYNTHETICS_PROBES__WARM__EVERY": "10",
            "SYNTHETICS_NOTHING_LIKE_IT_AT_ALL": "1",
            "SYNTHETICS_PLATFORM__HOST": "h",
        }
    )

    assert set(told) == {
        "log_level in synthetics.toml: found 'loud', allowed is one of debug, info, warning, error",
        "log_forma in synthetics.toml: there is no such setting; did you mean log_format?",
        "worker.slots in synthetics.toml: found 0, allowed is a whole number from 1 to 200",
        f"worker.lease in synthetics.toml: found 'soon', {DURATION}",
        "worker.slotz in synthetics.toml: there is no such setting; did you mean worker.slots?",
        "api.port in synthetics.toml: found 'x', allowed is a whole number from 0 to 65535",
        f"probes.cold_start.timeout in synthetics.toml: found -3, {DURATION}",
        "probes.cold-strat.every in synthetics.toml: there is no such probe; did you mean cold-start?",
        "SYNTHETICS_WORKER__SLOT: there is no such setting; did you mean SYNTHETICS_WORKER__SLOTS?",
        f"SYNTHETICS_WORKER__DRAIN: found '1x', {DURATION}",
        "SYNTHETICS_PROBES__WARM__EVERY: there is no such probe; known: cold-start, session-resumption",
        "SYNTHETICS_NOTHING_LIKE_IT_AT_ALL: there is no such setting; docs/configuring.md lists them all",
        "SYNTHETICS_PLATFORM__HOST: there is no such setting; what belongs in [platform] of the settings file "
        "has variables of its own",
    }
    assert len(told) == 13


@pytest.mark.parametrize(
    "url", ["mysql://user:hunter2@host/db", "hunter2", "postgre://user:hunter2@host/db", "http://[hunter2"]
)
def test_a_secret_is_never_in_a_message(url: str) -> None:
    write(f'database_url = "{url}"')

    from_file, from_environment = problems({}), problems({"SYNTHETICS_DATABASE_URL": url})

    assert from_file == (
        "database_url in synthetics.toml: found a value that is not shown ([redacted]), "
        "allowed is a PostgreSQL URL such as postgresql://user@host/database",
    )
    assert from_environment[0].startswith("SYNTHETICS_DATABASE_URL: found a value that is not shown")


def test_a_secret_does_not_show_in_the_settings_either() -> None:
    settings = load(None, {"SYNTHETICS_DATABASE_URL": "postgresql://me:hunter2@host/db"})

    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("worker = 3", "worker in synthetics.toml: found 3, allowed is a table of settings"),
        ("probes = 3", "probes in synthetics.toml: found 3, allowed is a table of settings"),
        (
            "[probes]\ncold-start = 3",
            "probes.cold-start in synthetics.toml: found 3, allowed is a table of settings",
        ),
        ("platform = 3", "platform in synthetics.toml: found 3, allowed is a table of settings"),
        (
            "[probes.cold-start]\n[probes.cold_start]",
            "probes.cold_start in synthetics.toml: the same probe is there twice",
        ),
        (
            "[worker]\nlease = true",
            f"worker.lease in synthetics.toml: found True, {DURATION}",
        ),
        (
            "[worker]\nlocation = 'Here!'",
            "worker.location in synthetics.toml: found 'Here!', "
            "allowed is 1 to 40 small letters, digits and hyphens",
        ),
    ],
)
def test_what_is_no_value_for_a_setting_is_refused(text: str, wanted: str) -> None:
    write(text)

    assert problems({}) == (wanted,)


def test_a_variable_into_what_the_file_has_wrong_does_not_hide_the_mistake() -> None:
    write("worker = 3")

    assert problems({"SYNTHETICS_WORKER__SLOTS": "2"}) == (
        "worker in synthetics.toml: found 3, allowed is a table of settings",
    )


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"slots = ", "broken.toml: this is not TOML: "),
        (b"a = '\xff'", "broken.toml: found bytes that are not UTF-8"),
        (None, "broken.toml: there is no such settings file"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_beside_the_rest(content: bytes | None, wanted: str) -> None:
    if content is not None:
        Path("broken.toml").write_bytes(content)

    told = problems({"SYNTHETICS_CONFIG": "broken.toml", "SYNTHETICS_LOG_LEVEL": "loud"})

    assert len(told) == 2
    assert told[0].startswith(wanted)
    assert told[1].startswith("SYNTHETICS_LOG_LEVEL: found 'loud'")


def test_a_directory_is_no_settings_file() -> None:
    assert problems({"SYNTHETICS_CONFIG": "."})[0].startswith(".: the settings file cannot be read (Is a dir")


def test_what_belongs_to_the_platform_is_there_even_where_the_rest_is_wrong() -> None:
    write("[worker]\nslots = 0\n[platform]\nhost = 'h'")

    reading = examine(None, {})

    assert reading.settings is None
    assert reading.platform == {"host": "h"}


def test_every_setting_is_described_and_can_be_set_by_its_variable() -> None:
    given = {
        "database_url": "postgresql://me@here/it",
        "log_format": "json",
        "cloudwatch.publish": "log",
        "log_level": "error",
        "worker.location": "here",
        "worker.control_url": "https://ours.example/health",
        "alerts.runbooks": "https://ours.example/{rule}",
        "notifiers.<name>.alertmanager": "http://ours.example:9093",
        "notifiers.<name>.apprise": "json://ours.example",
        "notifiers.<name>.severities": "page, info",
        "notifiers.<name>.probes": "cold-start",
        "notifiers.<name>.rules": "failing,stale",
        "costs.region": "eu-west-1",
    }
    listed = list(entries(Settings))

    for entry in listed:
        assert entry.description, f"{entry.path} says nothing about itself"
        assert entry.allowed, f"{entry.path} does not say what is allowed"
        variable = entry.variable("SYNTHETICS_").replace("<NAME>", "COLD_START")
        value = given.get(entry.path, "true" if entry.allowed == "true or false" else "7")
        environ = {variable: value}
        if entry.path.startswith("notifiers.") and entry.place[-1] not in ("alertmanager", "apprise"):
            environ["SYNTHETICS_NOTIFIERS__COLD_START__APPRISE"] = "json://ours.example"
        assert load(None, environ, known_probes=PROBES) != Settings() or value == "true"
    secret = {"database_url", "notifiers.<name>.alertmanager", "notifiers.<name>.apprise"}
    assert {entry.path for entry in listed if entry.secret} == secret


def test_notifiers_are_named_and_chosen_for_in_the_file() -> None:
    write(
        '[notifiers.on-call]\nalertmanager = "http://am:9093"\n'
        '[notifiers.team]\napprise = "mailto://me:secret@host"\n'
        'severities = ["page"]\nprobes = ["Cold_Start"]\nrules = "failing, stale"'
    )

    notifiers = load(None, {}, known_probes=PROBES).notifiers

    assert list(notifiers) == ["on-call", "team"]
    assert notifiers["on-call"].severities == ("page", "ticket")
    assert (notifiers["team"].probes, notifiers["team"].rules) == (("cold-start",), ("failing", "stale"))
    assert "secret" not in repr(notifiers)


def test_what_is_wrong_with_notifiers_is_told_at_once_and_without_their_secrets() -> None:
    write(
        '[notifiers.a]\nseverities = ["page"]\n[notifiers.b]\nalertmanager = "http://x"\napprise = "json://x"\n'
        '[notifiers.C_c]\napprise = "json://me:secret@x"\n'
        '[notifiers.d]\napprise = "json://x"\nprobes = ["cold-stort"]'
    )

    assert problems({}) == (
        "notifiers.a in synthetics.toml: found neither of `alertmanager` and `apprise`, allowed is one of them",
        "notifiers.b in synthetics.toml: found both of `alertmanager` and `apprise`, allowed is one of them",
        "notifiers.C_c in synthetics.toml: found the name 'C_c', allowed are 1 to 40 small letters, digits and "
        "hyphens",
        "notifiers.d.probes in synthetics.toml: there is no probe 'cold-stort'; did you mean cold-start?",
    )
    write('[notifiers.a]\napprise = "secret"\nseverities = ["loud"]\nrules = ["failin"]')
    severities, rules = "page, ticket, info", ", ".join(Rule)
    assert problems({}) == (
        "notifiers.a.apprise in synthetics.toml: found a value that is not shown ([redacted]), allowed is "
        "a URL that apprise knows, such as mailtos://user:password@host?to=oncall@example.org",
        f"notifiers.a.severities in synthetics.toml: found ['loud'], allowed is some of {severities}",
        f"notifiers.a.rules in synthetics.toml: found ['failin'], allowed is some of {rules}",
    )
