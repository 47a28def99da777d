"""Fixtures that every folder of tests may use."""

import signal

pytest_plugins = ["tests.support.database", "tests.support.sandbox"]

# A shell that starts a test run in the background has it ignore Ctrl-C, and children inherit what is ignored:
# the processes that tests start and stop would never hear the signals they are sent.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
