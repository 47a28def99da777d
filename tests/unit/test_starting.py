"""A command listens for Ctrl-C before anything that takes time is loaded."""

import subprocess
import sys


def test_nothing_slow_is_loaded_before_a_command_listens_for_an_interrupt() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys; import synthetics.__main__; print(*sys.modules)"],
        capture_output=True, text=True, timeout=30, check=True,
    ).stdout.split()  # fmt: skip

    assert "synthetics.interrupts" in loaded
    assert {"typer", "asyncio", "socket", "email", "importlib.metadata", "synthetics.cli"}.isdisjoint(loaded)
