"""Styles, icons and the scripts of others, and for how long a browser may keep them."""

from os import PathLike
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

_YEAR_SECONDS = 31_536_000


class KeptFiles(StaticFiles):
    """Files whose names say which version they are, for ever; all others until they change."""

    def file_response(self, full_path: str | PathLike[str], *given: Any, **named: Any) -> Response:
        """The file; the browser asks again for what may change, and hears that it has not."""
        response = super().file_response(full_path, *given, **named)
        versioned = Path(full_path).parent.name == "vendor"
        kept = f"public, max-age={_YEAR_SECONDS}, immutable" if versioned else "no-cache"
        response.headers["Cache-Control"] = kept
        return response
