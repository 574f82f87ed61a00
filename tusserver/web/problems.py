"""Problem documents: the answer to everything that is not carried out. RFC 9457."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from tusserver.protocol.errors import BackendError, NotFound, OutOfSpace
from tusserver.protocol.refusals import TUS_VERSION, BackendAway, Refusal, StorageFull, UploadNotFound

log = logging.getLogger("tusserver.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# tus-js-client and Uppy begin again at byte 0 after a HEAD that failed, unless it was refused with this.
PASSING_ON_HEAD = 423


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    facts: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """A problem document.

    Args:
        code: the stable word for programs; also the end of `type`.
        facts: further members.
    """
    members = {
        "type": f"urn:tusserver:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **(facts or {}),
    }
    response = web.Response(
        status=status,
        # What is quoted of a request may hold half a surrogate pair, which only JSON's own escape can tell.
        body=json.dumps(members, ensure_ascii=False).encode(errors="backslashreplace"),
        headers=headers,
        content_type="application/problem+json",
    )
    # aiohttp's table of reasons ends where tus goes on.
    if status == 460:
        response.set_status(status, "Checksum Mismatch")
    response.headers["Cache-Control"] = "no-store"
    return response


def of_refusal(refusal: Refusal) -> web.Response:
    """The problem document of a refusal."""
    return problem(refusal.status, refusal.code, refusal.title, refusal.detail, refusal.facts, refusal.headers)


def of_backend_error(error: BackendError) -> Refusal:
    """What a client may be told of a backend's failure; the cause is for the log."""
    if isinstance(error, NotFound):
        return UploadNotFound()
    if isinstance(error, OutOfSpace):
        return StorageFull("the disk is full; what was stored stays, go on when there is room again")
    return BackendAway("try again in a moment", headers={"Retry-After": "2"})


def guarded(handler: Handler) -> Handler:
    """The handler, with every failure turned into a problem document."""

    async def guard(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            return _answer(request, refusal)
        except BackendError as error:
            if not isinstance(error, NotFound):
                log.error("%s %s: %s", request.method, request.rel_url.raw_path, _with_cause(error))
            return _answer(request, of_backend_error(error))
        except web.HTTPException as error:
            return _of_http_exception(error)
        except (ConnectionError, TimeoutError):
            return _nobody(request)
        except Exception:
            log.exception("%s %s failed", request.method, request.rel_url.raw_path)
            failure = problem(500, "internal-error", "The server failed", "this is a fault of the server; it is logged")
            return _softened(request, failure)

    return guard


def _nobody(request: web.Request) -> web.Response:
    """For a client that is gone. aiohttp logs a failure of whatever is raised, and knows this for a lost answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499, reason="Client Closed Request")


def _answer(request: web.Request, refusal: Refusal) -> web.Response:
    response = of_refusal(refusal)
    response.headers.setdefault("Tus-Resumable", TUS_VERSION)
    if "Expect" in request.headers and not request.content.is_eof():
        # The body may never come, and the next request would be taken for it. RFC 9110, 10.1.1.
        response.force_close()
    return _softened(request, response)


def _softened(request: web.Request, response: web.Response) -> web.Response:
    is_head = request.headers.get("X-HTTP-Method-Override", request.method) == "HEAD"
    if is_head and (response.status >= 500 or response.status == 429):
        response.set_status(PASSING_ON_HEAD)
    return response


def _of_http_exception(error: web.HTTPException) -> web.Response:
    if error.status < 400:
        raise error
    phrase = HTTPStatus(error.status).phrase
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
    return problem(error.status, phrase.lower().replace(" ", "-"), phrase, error.reason or phrase, headers=headers)


def _with_cause(error: BaseException) -> str:
    return f"{error}: {error.__cause__}" if error.__cause__ else str(error)
