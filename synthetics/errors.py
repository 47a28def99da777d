"""Every error this service raises on purpose.

SyntheticsError
├── PlatformError         the platform broke its promise: the run is `failed`
│   ├── Unavailable       a whole part of the platform is away: ends the run, whichever case met it
│   ├── StillAwaited      nothing is there to be removed, and something may yet come
│   └── Unexpected        an expectation did not hold
│       └── TimedOut      something awaited did not come in time
├── ProbeBroken           we are wrong (bug, credentials, settings): the run is `broken`
│   └── UndeclaredName    a probe used a step, case or timing that its spec does not declare
├── GuardRefused          a client was asked to change what this run did not make: `broken`
├── StoreError            the database cannot be used now
│   ├── WrongRevision     the database's schema is not the one this code was written for
│   └── LockTimeout       something to be had alone was not free in time (`store/locks.py`)
├── SettingsError         settings that cannot be used, all of them together
├── DeliveryError         a notice could not be delivered; `permanent` says whether trying again can help
├── NotFound              a query's subject does not exist
├── Conflict              what was asked for does not fit how things are
└── Unusable              something that was given cannot be used: its name, what was wanted, what came
"""

from collections.abc import Sequence


class SyntheticsError(Exception):
    """The root: everything below it is told to people as a sentence, never as a traceback."""


class PlatformError(SyntheticsError):
    """The platform broke its promise; `evidence` is what was seen, free of secrets.

    `transient` ones (throttled, no answer this time) may be gone when asked again: waiting goes on past them.
    """

    transient = False

    def __init__(self, message: str, **evidence: object) -> None:
        super().__init__(message)
        self.evidence = evidence


class Unavailable(PlatformError):
    """A whole part of the platform is away. One cause: what comes after it in the run could not say more."""


class StillAwaited(PlatformError):
    """Nothing is left to be removed now, and something may yet come of what was asked: look again later."""


class Unexpected(PlatformError):
    """Something was wanted, and something else came."""


class TimedOut(Unexpected):
    """Something awaited did not come within its time."""


class ProbeBroken(SyntheticsError):
    """We are wrong, not the platform: a bug, a missing right, a setting."""


class UndeclaredName(ProbeBroken):
    """A probe used a step, case or timing that its spec does not declare."""


class GuardRefused(ProbeBroken):
    """A client was asked to change something that this run did not make."""


class StoreError(SyntheticsError):
    """The database cannot be used now."""


class WrongRevision(StoreError):
    """The database's schema is not the one this code was written for."""


class SettingsError(SyntheticsError):
    """Settings that cannot be used; `problems` holds one sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class DeliveryError(SyntheticsError):
    """A notice could not be delivered."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class NotFound(SyntheticsError):
    """A query's subject does not exist."""


class Conflict(SyntheticsError):
    """What was asked for does not fit how things are."""


class Unusable(SyntheticsError):
    """Something that was given cannot be used; the sentence begins with its name."""
