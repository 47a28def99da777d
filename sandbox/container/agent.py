"""The editing agent: a program of its own, so that it can be interrupted like the real one.

Reads its plan as JSON on standard input, works in the current directory. SIGINT ends it with exit code 130.
Only the standard library: it starts in the time of a bare interpreter.
"""

import json
import sys
import time
from pathlib import Path

PARTIAL_AFTER = 0.2  # of a long command; what an interrupt then finds unsaved
LONG = 5.0


def main() -> int:
    """Do what the plan says."""
    work = json.load(sys.stdin)
    file = Path(work["file"])
    try:
        if work["planned"] >= LONG:
            time.sleep(min(PARTIAL_AFTER, work["seconds"] / 2))
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a") as partial:
                partial.write("<!-- work in progress -->\n")
        time.sleep(work["seconds"])
        file.parent.mkdir(parents=True, exist_ok=True)
        if work["append"]:
            with file.open("a") as edited:
                edited.write(work["content"])
        else:
            file.write_text(work["content"])
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
