"""W3C Trace Context for every request of a run, so that the platform's own logs can be joined."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from synthetics.version import __version__

USER_AGENT = f"synthetics/{__version__} (synthetic monitor)"


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace of one run: one trace id, a fresh span id for each request (W3C Trace Context, level 1)."""

    trace_id: str
    run_id: UUID

    @classmethod
    def begin(cls, run_id: UUID) -> "Trace":
        return cls(secrets.token_hex(16), run_id)

    def headers(self) -> dict[str, str]:
        """Headers of one request; call it again for the next."""
        return {
            "traceparent": f"00-{self.trace_id}-{secrets.token_hex(8)}-01",
            "tracestate": f"synthetics={self.run_id.hex}",
            "User-Agent": USER_AGENT,
            "X-Synthetics-Run": str(self.run_id),
        }
