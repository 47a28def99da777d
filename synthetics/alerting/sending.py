"""`python -m synthetics.alerting.sending`: sends one message through apprise, and ends.

In a process of its own: apprise with its hundred channels takes 35 MB that a worker would never get back.
What is to be sent comes as JSON on standard input, so that no URL with its password is among the arguments.
What became of it goes to standard output: `error` is null if it was sent.
"""

import json
import sys
from typing import Any

_LONGEST_SAID = 300


def send(wanted: dict[str, Any]) -> dict[str, object]:
    """What became of it: `error` in words, and whether trying again cannot help (`permanent`)."""
    import apprise  # only in the process that sends

    service = apprise.Apprise.instantiate(wanted["url"], suppress_exceptions=True)
    if service is None:
        return {"error": "apprise does not know this kind of URL", "permanent": True}
    kind = apprise.NotifyType.FAILURE if wanted["alarming"] else apprise.NotifyType.SUCCESS
    capture: Any = apprise.LogCapture  # it has no types
    with capture(level=apprise.logging.WARNING) as said:
        sent = service.notify(title=wanted["title"], body=wanted["body"], notify_type=kind)
        told = " ".join(said.getvalue().split())[-_LONGEST_SAID:]
    if sent:
        return {"error": None, "permanent": False}
    return {"error": f"apprise could not send it: {told or 'it does not say why'}", "permanent": False}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(send(json.load(sys.stdin))))
