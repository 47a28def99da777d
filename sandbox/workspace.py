"""Where workspaces and their git remotes lie, and the sample site that a new remote starts with."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from sandbox.settings import SandboxSettings

DEFAULT_BRANCH = "main"
GIT_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Webordinary Editor",
    "GIT_AUTHOR_EMAIL": "editor@webordinary.com",
    "GIT_COMMITTER_NAME": "Webordinary Editor",
    "GIT_COMMITTER_EMAIL": "editor@webordinary.com",
}
SAMPLE_SITE = {
    "package.json": '{\n  "name": "sample-site",\n  "version": "1.0.0"\n}\n',
    "astro.config.mjs": 'import { defineConfig } from "astro/config";\nexport default defineConfig({});\n',
    "src/components/Footer.astro": "<footer>A sample site</footer>\n",
    "src/pages/index.astro": "---\nconst title = 'Welcome';\n---\n<html><body><h1>{title}</h1></body></html>\n",
    ".gitignore": "node_modules/\ndist/\n",
}


def user_folder(user: str) -> str:
    """The part of a user id that paths use: what stands before the @."""
    return user.partition("@")[0]


def relative_path(settings: SandboxSettings, client: str, user: str, project: str) -> Path:
    """The workspace's path below the EFS mount."""
    match settings.workspace_layout:
        case "client/user/project":
            return Path(client, user_folder(user), "project")
        case "client/projectId":
            return Path(client, project)
        case "client/project":
            return Path(client, "project")


def workspace_path(settings: SandboxSettings, client: str, user: str, project: str) -> Path:
    """Where the workspace lies on this machine."""
    return settings.workspace_root / relative_path(settings, client, user, project)


def remote_path(settings: SandboxSettings, client: str, user: str, project: str) -> Path:
    """Where the bare remote of that workspace lies: what REPO_URL is, unless somebody says otherwise."""
    return settings.remotes_root / relative_path(settings, client, user, project).with_suffix(".git")


def make_template(settings: SandboxSettings) -> None:
    """Make the remote that all others are copied from; blocking, once per sandbox."""
    template = template_path(settings)
    if template.exists():
        return
    settings.workspace_root.mkdir(parents=True, exist_ok=True)
    template.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.remotes_root) as scratch:
        site, bare = Path(scratch, "site"), Path(scratch, "bare")
        for name, text in SAMPLE_SITE.items():
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text(text)
        _git("init", "--quiet", f"--initial-branch={DEFAULT_BRANCH}", str(site))
        _git("-C", str(site), "add", "--all")
        _git("-C", str(site), "commit", "--quiet", "--message", "Sample site")
        _git("clone", "--quiet", "--bare", str(site), str(bare))
        shutil.rmtree(bare / "hooks", ignore_errors=True)
        bare.rename(template)


def template_path(settings: SandboxSettings) -> Path:
    return settings.remotes_root / "template.git"


def make_remote(settings: SandboxSettings, remote: Path) -> None:
    """Make a bare remote unless it is there; two containers may try at once."""
    if remote.exists():
        return
    remote.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=settings.remotes_root))
    shutil.copytree(template_path(settings), scratch / "bare")
    try:
        (scratch / "bare").rename(remote)
    except OSError:
        if not remote.exists():
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, env={**os.environ, **GIT_ENVIRONMENT})
