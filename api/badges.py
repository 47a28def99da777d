"""A probe's state as a small picture, for a README or a wiki."""

from fastapi import APIRouter, Depends, Request, Response

from api.access import may_read
from api.parameters import FromReads, ProbeName
from api.problems import responses
from api.rendering import rendered
from synthetics.queries.values import State
from synthetics.words import plain

router = APIRouter(tags=["badges"], dependencies=[Depends(may_read)])

#: Dark enough for white letters.
_COLOURS = {State.UP: "#1b7f3b", State.DOWN: "#b42318", State.BROKEN: "#8a4b9c", State.UNKNOWN: "#5f6670"}
_LETTER_WIDTH, _MARGIN = 6.6, 7
#: A picture that is shown on every page load is asked for often, and need not be of this second.
_FRESH_FOR_SECONDS = 30


class Svg(Response):
    media_type = "image/svg+xml"


@router.get(
    "/badge/{name}.svg",
    summary="A probe's state as a picture",
    response_class=Svg,
    responses={200: {"content": {"image/svg+xml": {}}}, **responses(401, 403, 404, 422, 503)},
)
async def read_badge(name: ProbeName, reads: FromReads, request: Request) -> Svg:
    """The probe's name and its state: up, down, broken or unknown."""
    status = await reads.status.probe(name, recent=0)
    label, state = plain(status.name), status.state.value
    picture = rendered(
        "badge.svg",
        request.app.state.clock.now(),
        label=label,
        state=state,
        colour=_COLOURS[status.state],
        label_width=_width(label),
        state_width=_width(state),
    )
    return Svg(picture, headers={"Cache-Control": f"max-age={_FRESH_FOR_SECONDS}"})


def _width(text: str) -> float:
    return round(len(text) * _LETTER_WIDTH + 2 * _MARGIN, 1)
