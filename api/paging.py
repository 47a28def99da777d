"""Lists in pages: where the following one is."""

from fastapi import Request, Response


def link_to_next(request: Request, response: Response, path: str, cursor: str | None) -> str | None:
    """The address of the following page, also put into the `Link` header; None where this is the last."""
    if cursor is None:
        return None
    following = f"{path}?{request.url.include_query_params(cursor=cursor).query}"
    response.headers["Link"] = f'<{following}>; rel="next"'
    return following
