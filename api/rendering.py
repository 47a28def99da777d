"""Pages from templates: escaped, rendered in a thread, told the time by the clock that was passed in."""

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from api import charts, words
from synthetics.version import __version__

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
_CODE = re.compile(r"`([^`]+)`")

_environment = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _coded(text: str) -> Markup:
    """`text` with what stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped just here)


_environment.filters.update(
    coded=_coded,
    declared=words.declared,
    dollars=words.dollars,
    duration=words.duration,
    exact=words.exact,
    plain=words.plain,
    shown=words.shown,
    percent=words.percent,
)
_environment.globals.update(charts=charts, version=__version__)


async def render_page(
    request: Request,
    template: str,
    *,
    code: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> HTMLResponse:
    """The page that `template` makes of `values`."""
    now = request.app.state.clock.now()
    here = f"{request.url.path}?{request.url.query}".removesuffix("?")
    html = await asyncio.to_thread(rendered, template, now, here=here, **values)
    return HTMLResponse(html, code, headers=dict(headers or {}))


def rendered(template: str, now: datetime, **values: object) -> str:
    """The text that `template` makes of `values`; `now` is what it counts ages from."""
    page = _environment.get_template(template)
    return page.render(now=now, ago=lambda moment: words.ago(moment, now), **values)
