"""The sandbox's own tests run against real sandbox processes."""

from tests.support.sandbox import sandbox, start_sandbox

__all__ = ["sandbox", "start_sandbox"]
