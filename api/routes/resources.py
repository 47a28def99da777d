"""What runs made on the platform."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.models.resources import ResourcesOut
from api.paging import link_to_next
from api.parameters import FromReads, ListQuery
from api.problems import responses

router = APIRouter(prefix="/resources", tags=["resources"])


@router.get("", summary="What is not known to be gone from the platform", responses=responses(422, 503))
async def read_resources(
    query: Annotated[ListQuery, Query()], reads: FromReads, request: Request, response: Response
) -> ResourcesOut:
    """Of runs under way, and what outlived its run: newest first, in pages. Follow `next` until it is null."""
    page = await reads.resources.page(limit=query.limit, cursor=query.cursor)
    path = request.app.url_path_for("read_resources")
    return ResourcesOut.of(page, link_to_next(request, response, path, page.next))
