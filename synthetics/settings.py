"""The engine's settings: read once, at the start, from a TOML file and the environment."""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from synthetics.errors import SettingsError
from synthetics.log import LogFormat, LogLevel
from synthetics.model.budget import CostLimits
from synthetics.model.cost import Region
from synthetics.model.incident import SEVERITIES, Rule
from synthetics.sources import Allowed, Given, add_environment, read_file, validated
from synthetics.words import did_you_mean, duration, plain

PREFIX = "SYNTHETICS_"
CONFIG_VARIABLE = "SYNTHETICS_CONFIG"
DEFAULT_FILE = Path("synthetics.toml")
_NOTIFIER = re.compile(r"[a-z0-9-]{1,40}")

Seconds = Annotated[
    timedelta,
    BeforeValidator(duration),
    Field(gt=timedelta(0)),
    Allowed('a duration over zero: seconds, or "90s", "15m", "1h30m", "PT15M"'),
]


def _postgres_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise ValueError("not a PostgreSQL URL")
    return url


def _http_url(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an HTTP address")
    return url


def _secret_http_url(url: SecretStr | None) -> SecretStr | None:
    if url is not None:
        _http_url(url.get_secret_value())
    return url


def _apprise_url(url: SecretStr | None) -> SecretStr | None:
    # Whether apprise knows it is asked where it is used: loading apprise takes more memory than all settings.
    if url is not None and not re.match(r"[a-z][a-z0-9+.-]*://\S", url.get_secret_value(), re.IGNORECASE):
        raise ValueError("not a URL")
    return url


def _names(value: object) -> object:
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    return (
        [plain(name) if isinstance(name, str) else name for name in value] if isinstance(value, list) else value
    )


def _severities(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or set(names) - set(SEVERITIES):
        raise ValueError("not severities")
    return names


def _rules(names: tuple[str, ...]) -> tuple[str, ...]:
    if set(names) - {rule.value for rule in Rule}:
        raise ValueError("not rules")
    return names


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]

DatabaseUrl = Annotated[
    SecretStr,
    AfterValidator(_postgres_url),
    Allowed("a PostgreSQL URL such as postgresql://user@host/database"),
]


class Part(BaseModel):
    """A group of settings: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkerSettings(Part):
    """How a worker runs probes."""

    name: str | None = Field(None, description="This worker's name; host name and process id if unset.")
    location: Annotated[str, Allowed("1 to 40 small letters, digits and hyphens")] = Field(
        "default", pattern=r"^[a-z0-9-]{1,40}$", description="Where it watches from."
    )
    slots: int = Field(8, ge=1, le=200, description="Scenarios in flight at once.")
    lease: Seconds = Field(timedelta(seconds=30), description="A run unheard of for this long is closed.")
    drain: Seconds = Field(timedelta(seconds=60), description="How long runs may go on after SIGTERM.")
    lock_wait: Seconds = Field(timedelta(minutes=5), description="Longest wait for exclusivity.")
    sweep_every: Seconds = Field(timedelta(minutes=1), description="How often leftovers are looked for.")
    control_url: Annotated[
        str | None, AfterValidator(_http_url), Allowed("an address such as https://host/health")
    ] = Field(None, description="A target of ours, asked before blaming the platform.")


class RetentionSettings(Part):
    """How long history is kept; whole months at a time, so up to a month longer."""

    runs: Seconds = Field(timedelta(days=90), description="Runs with their steps, timings, checks and logs.")
    failures: Seconds = Field(
        timedelta(days=730), description="Failed runs, with the runs that confirmed them; at least as long."
    )
    figures: Seconds = Field(timedelta(days=730), description="Hourly figures of timings.")


class CostSettings(Part):
    """What runs may cost."""

    region: Region = Field(Region.US_WEST_2, description="Whose list prices runs are priced with.")
    day: float | None = Field(
        None, gt=0, description="US dollars a day (UTC); once spent, dear probes wait for the next."
    )
    month: float | None = Field(
        None, gt=0, description="US dollars a month (UTC); once spent, dear probes wait for the next."
    )

    @property
    def limits(self) -> CostLimits:
        """Both budgets."""
        return CostLimits(self.day, self.month)


class ApiSettings(Part):
    """Where the API, the metrics and the page are served."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_reading: bool = Field(
        True,
        description="Whether API, pages and metrics can be read without a token (scope `read`).",
    )
    public_url: str | None = Field(None, description="How people reach it, for links in notices.")


class AlertSettings(Part):
    """How incidents are told of."""

    hold: Seconds = Field(
        timedelta(minutes=2),
        description="How long an alarm waits while a probe that this one leans on may yet be the cause.",
    )
    give_up: Seconds = Field(
        timedelta(days=1), description="How long a notice is tried that cannot be delivered."
    )
    runbooks: Annotated[
        str | None, AfterValidator(_http_url), Allowed("an address such as https://host/runbooks/{rule}")
    ] = Field(
        None, description="Where docs/runbooks can be read, for links in notices; `{rule}` stands for the rule."
    )


class NotifierSettings(Part):
    """Somebody who is told of incidents: an Alertmanager, or whatever apprise has a URL for."""

    alertmanager: Annotated[
        SecretStr | None,
        AfterValidator(_secret_http_url),
        Allowed("an address such as http://alertmanager:9093"),
    ] = Field(None, description="An Alertmanager's address (API v2).")
    apprise: Annotated[
        SecretStr | None,
        AfterValidator(_apprise_url),
        Allowed("a URL that apprise knows, such as mailtos://user:password@host?to=oncall@example.org"),
    ] = Field(None, description="One apprise URL: PagerDuty, Slack, Teams, mail, SNS, a webhook.")
    severities: Annotated[Names, AfterValidator(_severities), Allowed("some of page, ticket, info")] = Field(
        ("page", "ticket"), description="Only incidents of these severities."
    )
    probes: Annotated[Names, Allowed("names of probes, parted by commas")] = Field(
        (), description="Only incidents of these probes; all if unset."
    )
    rules: Annotated[
        Names, AfterValidator(_rules), Allowed(f"some of {', '.join(rule.value for rule in Rule)}")
    ] = Field((), description="Only incidents of these rules; all if unset.")


class ProbeOverride(Part):
    """What a deployment may change of one probe."""

    enabled: bool = Field(True, description="Whether it is scheduled at all.")
    every: Seconds | None = Field(
        None, description="Its interval; if unset the probe's own, or a multiple that is long enough."
    )
    timeout: Seconds | None = Field(
        None, description="Its time limit; if unset the probe's own, and the platform's sleeps."
    )


class Publishing(StrEnum):
    """How results get into CloudWatch."""

    OFF = "off"
    LOG = "log"
    CALL = "call"


class CloudWatchSettings(Part):
    """Where results also go."""

    publish: Publishing = Field(
        Publishing.OFF,
        description="`log`: a line of the log for each run, out of which CloudWatch Logs reads metrics; "
        "`call`: PutMetricData, once a minute.",
    )


class Settings(Part):
    """Everything the engine may be told."""

    database_url: DatabaseUrl | None = Field(
        None, description="A PostgreSQL URL; if unset, an embedded server under the state directory."
    )
    state_dir: Path = Field(Path(".state"), description="Where the embedded server and the spool live.")
    log_format: LogFormat = Field(LogFormat.AUTO, description="How logs are written.")
    log_level: LogLevel = Field(LogLevel.INFO, description="What is logged.")
    worker: WorkerSettings = WorkerSettings()
    retention: RetentionSettings = RetentionSettings()
    costs: CostSettings = CostSettings()
    cloudwatch: CloudWatchSettings = CloudWatchSettings()
    api: ApiSettings = ApiSettings()
    alerts: AlertSettings = AlertSettings()
    notifiers: dict[str, NotifierSettings] = Field(
        default_factory=dict, description="Who is told of incidents, by a name of your choice."
    )
    probes: dict[str, ProbeOverride] = Field(default_factory=dict, description="Overrides, by probe name.")
    platform: dict[str, Any] = Field(default_factory=dict, description="Handed to the platform as it is.")


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading the settings: None where there are problems.

    `platform`, and those of `probes` that can be read, are there even then: their own problems are to be told
    in the same breath.
    """

    settings: Settings | None
    platform: Mapping[str, Any]
    probes: Mapping[str, ProbeOverride]
    problems: tuple[str, ...]
    #: The settings file; empty if there is none.
    file: str = ""
    #: The file could not be read: what it leaves out is not known.
    unread: bool = False


def load(path: Path | None, environ: Mapping[str, str], *, known_probes: Collection[str] = ()) -> Settings:
    """The settings from the file and, above it, the environment. Raises SettingsError with every problem.

    Without a `path`, SYNTHETICS_CONFIG names the file; without that, `synthetics.toml` in the working
    directory is read if it exists.
    """
    reading = examine(path, environ, known_probes=known_probes)
    if reading.settings is None:
        raise SettingsError(reading.problems)
    return reading.settings


def examine(path: Path | None, environ: Mapping[str, str], *, known_probes: Collection[str] = ()) -> Reading:
    """Like `load`, for those who have problems of their own to tell in the same breath."""
    file = _file(path, environ)
    given = read_file(file) if file else Given()
    platform = given.tree.get("platform")
    _name_probes_plainly(given)
    add_environment(
        given, Settings, {name: value for name, value in environ.items() if name != CONFIG_VARIABLE}, PREFIX
    )
    settings = validated(given, Settings)
    if settings is not None:
        _examine_notifiers(given, settings.notifiers, known_probes)
    if known_probes:
        _refuse_unknown_probes(given, known_probes)
    return Reading(
        None if given.problems else settings,
        platform if isinstance(platform, dict) else {},
        _readable_overrides(given),
        tuple(given.problems),
        given.file,
        given.unread,
    )


def _file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if environ.get(CONFIG_VARIABLE, "").strip():
        return Path(environ[CONFIG_VARIABLE])
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _readable_overrides(given: Given) -> dict[str, ProbeOverride]:
    probes = given.tree.get("probes")
    readable: dict[str, ProbeOverride] = {}
    for name, override in probes.items() if isinstance(probes, dict) else ():
        with suppress(ValidationError):  # told already, with all others
            readable[name] = ProbeOverride.model_validate(override)
    return readable


def _name_probes_plainly(given: Given) -> None:
    """Probe names with hyphens, as the catalogue has them, whatever the file wrote."""
    probes = given.tree.get("probes")
    if not isinstance(probes, dict):
        return
    named: dict[str, Any] = {}
    for name, override in probes.items():
        if plain(name) in named:
            given.problems.append(f"{given.name_of(('probes', name))}: the same probe is there twice")
        named[plain(name)] = override
        if isinstance(override, dict):
            for setting in override:
                given.written[("probes", plain(name), setting)] = given.name_of(("probes", name, setting))
    given.tree["probes"] = named


def _examine_notifiers(
    given: Given, notifiers: Mapping[str, NotifierSettings], known_probes: Collection[str]
) -> None:
    for name, notifier in notifiers.items():
        inside = (text for place, text in given.written.items() if place[:2] == ("notifiers", name))
        where = next(inside, given.name_of(("notifiers", name)))
        if not _NOTIFIER.fullmatch(name):
            given.problems.append(
                f"{where}: found the name {name!r}, allowed are 1 to 40 small letters, digits and hyphens"
            )
        if (notifier.alertmanager is None) == (notifier.apprise is None):
            found = "neither" if notifier.apprise is None else "both"
            given.problems.append(
                f"{where}: found {found} of `alertmanager` and `apprise`, allowed is one of them"
            )
        known = {plain(probe) for probe in known_probes}
        for probe in notifier.probes if known else ():
            if probe not in known:
                place = given.name_of(("notifiers", name, "probes"))
                given.problems.append(f"{place}: there is no probe {probe!r}; {did_you_mean(probe, known)}")


def _refuse_unknown_probes(given: Given, known: Collection[str]) -> None:
    probes = given.tree.get("probes")
    for name in probes if isinstance(probes, dict) else ():
        if name in {plain(one) for one in known}:
            continue
        inside = (text for place, text in given.written.items() if place[:2] == ("probes", name))
        where = next(inside, given.name_of(("probes", name)))
        given.problems.append(f"{where}: there is no such probe; {did_you_mean(name, known)}")
