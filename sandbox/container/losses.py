"""What a broken file system does to a workspace before its container opens it."""

import shutil
from pathlib import Path

from sandbox.container.git import Workspace
from sandbox.container.launch import Launch
from sandbox.faults import Faults
from sandbox.settings import SandboxSettings


def before_opening(faults: Faults, settings: SandboxSettings, launch: Launch, path: Path) -> None:
    """Lose the workspace, or lead it into another customer's, if such a fault strikes; blocking."""
    if not path.exists():
        if faults.is_on("two-clients-one-workspace", client=launch.client):
            _share(faults, settings, launch, path)
    elif faults.strikes("workspace-lost", client=launch.client) is not None:
        shutil.rmtree(path, ignore_errors=True)


async def after_opening(faults: Faults, launch: Launch, workspace: Workspace, *, existed: bool) -> None:
    """Begin the history anew, if that fault strikes a workspace that was there before."""
    if existed and faults.strikes("history-lost", client=launch.client) is not None:
        await workspace.forget_history()


def _share(faults: Faults, settings: SandboxSettings, launch: Launch, path: Path) -> None:
    below = path.relative_to(settings.workspace_root / launch.client)
    others = [
        folder
        for folder in settings.workspace_root.iterdir()
        if folder.name != launch.client and (folder / below).is_dir()
    ]
    if others and faults.strikes("two-clients-one-workspace", client=launch.client) is not None:
        alike = max(others, key=lambda folder: _alike(folder.name, launch.client))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(alike / below)


def _alike(one: str, other: str) -> int:
    """How many letters two names begin with in common."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
