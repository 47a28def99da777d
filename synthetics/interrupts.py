"""Ctrl-C before there is anything to stop: it ends the process, and nothing is said."""

import os
import signal

_INTERRUPTED = 130


def end_on_interrupt() -> None:
    """From here on Ctrl-C ends this process at once, with exit code 130, until a command listens for it itself.

    Python's own way, an exception out of whatever is being imported just then, would end in a traceback. Where
    Ctrl-C was to be ignored (`nohup`, a shell's background) it still is.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
