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
    alike = [
        folder
        for folder in sorted(settings.workspace_root.iterdir())
        if folder.name != launch.client and _related(folder.name, launch.client)
    ]
    others = [folder / below for folder in alike if (folder / below).is_dir()]
    others += [one for folder in alike for one in sorted(folder.glob(f"*/{below.name}")) if one.is_dir()]
    if others and faults.strikes("two-clients-one-workspace", client=launch.client) is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(others[0].resolve())


def _related(one: str, other: str) -> bool:
    """Whether one of two names is how the other begins."""
    return one.startswith(other) or other.startswith(one)
