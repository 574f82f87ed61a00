"""Every route: those of the doors, each from its own table, and here those of the server itself."""

from __future__ import annotations

from dataclasses import replace

from tusserver.protocol import access, refusals
from tusserver.web import body, openapi_images, openapi_rest, openapi_tus, openapi_zip, page, sign_in
from tusserver.web.openapi_parts import BESIDE, HTML, JSON, OFTEN, WHO, Answer, Operation, Paths
from tusserver.web.openapi_schemas import BYTES, SCHEMAS, TEXT, Schema, ref

KEPT = ("Cache-Control",)
PAGE_HEADERS = ("Content-Security-Policy", *KEPT)
TOKEN = Operation(
    "auth",
    "A token for a user name and a password",
    {200: Answer("Send it in `Authorization: Bearer`.", {JSON: ref("Token")}, KEPT, ("Set-Cookie",))},
    (
        *(sign_in.BadCredentials, sign_in.TooManyAttempts, sign_in.BadSignIn, refusals.BodyStalled, *OFTEN),
        *(body.EncodedBody, body.UnknownCoding),
    ),
    body={JSON: ref("Credentials"), sign_in.FORM: ref("Credentials")},
    needs_token=False,
)
RENEW = Operation(
    "auth",
    "Another token for one that still counts, without the password",
    {200: Answer("Send it in place of the old one.", {JSON: ref("Token")}, KEPT, ("Set-Cookie",))},
    (*WHO, access.SessionOver, access.TokenNotRenewable, *OFTEN),
    text="Of the same user, until `session_lifetime` after the sign-in; tokens of an identity provider are renewed "
    "there. Where the page's cookie comes along, it is set anew.",
)
FILE_HEADERS = ("ETag", "Last-Modified", "Accept-Ranges", *KEPT)
READY = Operation(
    "server",
    "Whether uploads can be taken, part by part",
    {
        200: Answer("They can.", {JSON: ref("Ready")}, KEPT),
        503: Answer("They cannot, and this is what is the matter.", {JSON: ref("Ready")}, KEPT),
    },
    needs_token=False,
)
FILE = Operation(
    "server", "A file of the pages",
    {
        200: Answer("The file.", {"*/*": BYTES}, FILE_HEADERS),
        206: Answer("The bytes of the range.", {"*/*": BYTES}, (*FILE_HEADERS, "Content-Range")),
        304: Answer("It is the one that the browser has."),
        412: Answer("A condition of the request does not hold."),
        416: Answer("The range lies behind the end."),
    },
    (page.NoSuchFile,), needs_token=False,
)  # fmt: skip
# Which obeys Range here too.
FILE_HEAD = replace(
    FILE, tag=BESIDE, summary="A file of the pages, without the body",
    answers={status: replace(found, content={}) for status, found in FILE.answers.items()},
)  # fmt: skip


def _shown(summary: str) -> Operation:
    """A page that shows this document."""
    answers = {
        200: Answer("The page.", {HTML: TEXT}, PAGE_HEADERS),
        503: Answer("Its libraries are not there, and how to get them.", {HTML: TEXT}, PAGE_HEADERS),
    }
    return Operation("server", summary, answers, needs_token=False)


SERVER: Paths = {
    "/": {
        "GET": Operation(
            "server", "A greeting; the page to a browser",
            {200: Answer("Hello.", {JSON: ref("Greeting"), HTML: TEXT}, ("Vary",))}, needs_token=False,
        ),
    },
    "/static/{path}": {"GET": FILE, "HEAD": FILE_HEAD},
    "/health": {
        "GET": Operation(
            "server", "The process is alive", {200: Answer("It is.", {JSON: ref("Health")}, KEPT)}, needs_token=False
        ),
    },
    "/ready": {"GET": READY},
    "/openapi.json": {
        "GET": Operation(
            "server", "This document", {200: Answer("OpenAPI 3.1.", {JSON: ref("Document")}, KEPT)}, needs_token=False
        ),
    },
    "/docs": {"GET": _shown("The routes, to be tried out: Swagger UI")},
    "/redoc": {"GET": _shown("The routes, to be read: ReDoc")},
}  # fmt: skip
AUTH: Paths = {
    "/auth/token": {"POST": TOKEN},
    "/auth/renew": {"POST": RENEW},
    "/auth/logout": {
        "POST": Operation(
            "auth", "Take the page's cookie away", {204: Answer("It is gone.", headers=("Set-Cookie", *KEPT))},
            needs_token=False, text="The token in it ends by itself.",
        ),
    },
    "/auth/me": {
        "GET": Operation(
            "auth", "Whose the token is",
            {200: Answer("`user` is null for a token that does not count.", {JSON: ref("Caller")}, KEPT)},
            needs_token=False,
        ),
    },
}  # fmt: skip

PATHS: Paths = {
    **AUTH,
    **openapi_rest.PATHS,
    **openapi_tus.PATHS,
    **openapi_images.PATHS,
    **openapi_zip.PATHS,
    **SERVER,
}
EVERY_SCHEMA: dict[str, Schema] = {**SCHEMAS, **openapi_images.SCHEMAS, **openapi_zip.SCHEMAS}
