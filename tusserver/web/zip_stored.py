"""`GET` and `POST /zip`: finished uploads as one archive, which nothing but their bytes is stored of.

It is made while it is sent, has an exact length and a tag, and can be continued where a connection broke, also after
a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from aiohttp import web

from tusserver.archive import Archive, Contents, Entry, Texts
from tusserver.protocol.access import Caller, judge_read
from tusserver.protocol.downloads import Representation, content_disposition, security_headers
from tusserver.protocol.filenames import BadFilename, parse_filename
from tusserver.protocol.ids import is_id
from tusserver.protocol.refusals import Refusal, UploadNotFound
from tusserver.protocol.rules import judge_download
from tusserver.protocol.uploads import Upload
from tusserver.web import rest_fields
from tusserver.web.auth import caller_of
from tusserver.web.download import send_made
from tusserver.web.json_body import read_json
from tusserver.web.rest_fields import BadField, check_known, find_to_read
from tusserver.web.rest_files import finished
from tusserver.web.rest_status import look
from tusserver.web.site import Site, site_of
from tusserver.web.zip_sending import Sending

FIELDS = ("uploads", "name")
MOST_ENTRIES = 100_000
# A list of so many has a comma between two, and a filename may have some.
MOST_MEMBERS = 4 * MOST_ENTRIES
# Records that are in memory at once.
BATCH = 200
DEFAULT_NAME = "uploads"
SUFFIX = ".zip"


class TooManyEntries(Refusal):
    """More uploads are named than one archive is made of."""

    status, code, title = 413, "too-many-entries", "The archive would have too many files"


async def get(request: web.Request) -> web.StreamResponse:
    """`GET /zip?uploads=a,b&name=n`: ids or filenames between commas, `uploads` perhaps several times."""
    site, caller = site_of(request), await caller_of(request)
    caller.require()
    wanted: list[str] = []
    for value in request.query.getall("uploads", []):
        wanted += await _split(site, caller, value)
    return await _send(request, caller, wanted, request.query.get("name"))


async def post(request: web.Request) -> web.StreamResponse:
    """`POST /zip`: the same for lists that are longer than an address may be."""
    site, caller = site_of(request), await caller_of(request)
    caller.require()
    fields = await read_json(request, site.settings.max_json_body, members=MOST_MEMBERS)
    check_known(fields, FIELDS)
    wanted = fields.get("uploads")
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise BadField("uploads", "must be a list of ids or filenames")
    return await _send(request, caller, wanted, rest_fields.text(fields, "name"))


async def _split(site: Site, caller: Caller, value: str) -> list[str]:
    """What a value names: one upload if there is one of that filename, else those between its commas."""
    if "," not in value:
        return [value] if value else []
    try:
        await find_to_read(site.names, caller, parse_filename(value))
    except (BadFilename, UploadNotFound):
        return [one for one in value.split(",") if one]
    return [value]


async def _send(request: web.Request, caller: Caller, wanted: list[str], name: str | None) -> web.StreamResponse:
    if not wanted:
        raise BadField("uploads", "names no upload")
    if len(wanted) > MOST_ENTRIES:
        raise TooManyEntries(f"{len(wanted)} uploads are named, {MOST_ENTRIES} are the most", most=MOST_ENTRIES)
    name = DEFAULT_NAME if name is None else parse_filename(name)
    if not name.lower().endswith(SUFFIX):
        name += SUFFIX
    held = Texts(len(wanted), wanted)
    # Before anything else is made: whoever called holds it too, and a list in pieces keeps more memory than it has.
    wanted.clear()
    archive = await asyncio.to_thread(Archive, await _contents(site_of(request), caller, held))
    headers = {
        "Content-Type": "application/zip",
        "Content-Disposition": content_disposition(name, name, inline=False),
        "Cache-Control": "private, no-cache",
        **security_headers(),
    }
    # Without a date: what a list of filenames stands for may be older tomorrow than it is today.
    whole = Representation(archive.length, archive.etag)
    return await send_made(request, whole, headers, Sending(request, archive).send)


async def _contents(site: Site, caller: Caller, wanted: Texts) -> Contents:
    """What the archive is made of, in the order asked for.

    Raises:
        UploadNotFound: status 404; UploadGone: status 410; UploadIncomplete: status 409; BadFilename: status 422. Each
            tells in `upload` which it is.
    """
    contents = Contents(len(wanted))
    for begin in range(0, len(wanted), BATCH):
        batch = [wanted[index] for index in range(begin, min(begin + BATCH, len(wanted)))]
        ids = [one for one in batch if is_id(one)]
        known = await site.backends.infos.load_many(ids) if ids else {}
        found = [await _find(site, caller, one, known.get(one)) for one in batch]
        await asyncio.to_thread(_add, contents, found)
    return contents


def _add(contents: Contents, uploads: Iterable[Upload]) -> None:
    for one in uploads:
        moment = one.completed_at or one.updated_at
        contents.add(Entry(one.id, one.filename, one.offset, moment, one.facts.crc32))


async def _find(site: Site, caller: Caller, wanted: str, found: Upload | None) -> Upload:
    """The finished upload that is meant, where `found` has it as its id."""
    with _naming(wanted):
        if found is None or not _may_read(caller, found):
            return await finished(site, caller, parse_filename(wanted))
        if not found.is_complete:
            found = await look(site, found, caller)
        judge_download(found, site.clock())
        return found


def _may_read(caller: Caller, upload: Upload) -> bool:
    try:
        judge_read(caller, upload)
    except UploadNotFound:
        return False
    return True


@contextmanager
def _naming(wanted: str) -> Iterator[None]:
    """In the block a refusal tells which of many it is about."""
    try:
        yield
    except Refusal as refusal:
        refusal.facts["upload"] = wanted
        refusal.detail = f"{wanted[:80]!r}: {refusal.detail}"
        raise
