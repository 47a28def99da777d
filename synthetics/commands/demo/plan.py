"""What a demo was asked to be."""

from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
#: Where a demo lives, under the state directory: a state directory itself.
DEMO_PLACE = "demo"


@dataclass(frozen=True, slots=True)
class Plan:
    """What this demo was asked to be."""

    state_dir: Path
    port: int
    speed: float
    idle_seconds: float
    every_seconds: float
    seconds: float | None

    @property
    def place(self) -> Path:
        return self.state_dir / DEMO_PLACE
