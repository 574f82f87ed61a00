"""Fields of the REST routes, whether they come as JSON, as form fields or in the query; and whose names are meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from tusserver.protocol.access import Caller
from tusserver.protocol.checksums import Checksum
from tusserver.protocol.digests import parse_digest
from tusserver.protocol.fields import DIGITS, MAX_DIGITS
from tusserver.protocol.filenames import parse_filename
from tusserver.protocol.refusals import Refusal, UploadNotFound
from tusserver.protocol.uploads import Upload
from tusserver.service import Names
from tusserver.web.site import Site

Fields = Mapping[str, Any]


class BadField(Refusal):
    """A field is missing or cannot be what it is; `field` names it."""

    status, code, title = 422, "bad-field", "A field of the request cannot be used"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name[:40]} {why}", field=name[:40])


def check_known(fields: Fields, known: Collection[str]) -> None:
    """Every field is one of `known`: a misspelt checksum would be one that nobody verifies.

    Raises:
        BadField: status 422.
    """
    for name in fields:
        if name not in known:
            raise BadField(name, f"is not one of {', '.join(known)}")


def text(fields: Fields, name: str) -> str | None:
    """The text of a field, None when it is absent or null. Raises BadField."""
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise BadField(name, "must be text")
    return value


def whole(fields: Fields, name: str) -> int | None:
    """A whole number from 0, as a number or as its digits; None when it is absent or null. Raises BadField."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, str) and DIGITS.fullmatch(value) and len(value) <= MAX_DIGITS:
        return int(value)
    if type(value) is not int or value < 0:
        raise BadField(name, "must be a whole number that is not negative")
    return value


def flag(fields: Fields, name: str) -> bool:
    """True or false; an absent one is false. Raises BadField."""
    value = fields.get(name)
    # Compared as they are: to Python 0 and 1 are false and true as well, and JSON has words for those.
    if value is None or value is False or value in ("false", "0"):
        return False
    if value is True or value in ("true", "1"):
        return True
    raise BadField(name, "must be true or false")


def filename(fields: Fields) -> str:
    """The filename, which every request must tell.

    Raises:
        BadField, BadFilename: status 422.
    """
    name = text(fields, "filename")
    if name is None:
        raise BadField("filename", "is missing")
    return parse_filename(name)


def digest(fields: Fields) -> Checksum | None:
    """The checksum, None when it is absent or null.

    Raises:
        BadField, BadDigest: status 422.
    """
    value = text(fields, "checksum")
    return None if value is None else parse_digest(value)


def namespace(caller: Caller) -> str | None:
    """Whose filenames a request speaks of that adds bytes: those of its token, also of one that has run out.

    Raises:
        TokenNeeded, BadToken: status 401.
    """
    if caller.is_open or caller.token is None:
        return caller.require()
    return caller.token.owner


async def find_to_write(names: Names, caller: Caller, name: str) -> Upload:
    """The upload that bytes with a filename are for.

    Raises:
        TokenNeeded, BadToken: status 401.
        UploadNotFound: status 404.
    """
    try:
        return await names.newest_to_write(namespace(caller), name)
    except UploadNotFound:
        caller.require()
        raise


async def find_to_read(names: Names, caller: Caller, name: str) -> Upload:
    """The upload that the caller means by a filename, finished or not: the newest.

    Raises:
        TokenNeeded, BadToken: status 401.
        UploadNotFound: status 404.
    """
    return await names.newest(caller.require(), name)


async def find_finished(names: Names, caller: Caller, name: str) -> Upload:
    """The finished upload that the caller means by a filename.

    Raises:
        TokenNeeded, BadToken: status 401.
        UploadNotFound: status 404.
    """
    return await names.finished(caller.require(), name)


def download_address(site: Site, upload: Upload) -> str:
    """Where a finished upload is read by its filename; where a fixed path hides that, the upload's own address."""
    name = upload.filename or ""
    if not name or name.startswith("partial/"):
        return site.address(upload.id)
    return f"{(site.settings.base_url or '').rstrip('/')}{site.prefix}/download/{quote(name)}"
