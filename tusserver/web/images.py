"""Images: several files taken as one act, shown under a name of their own, in other sizes and formats, and removed."""

from __future__ import annotations

import hashlib

from aiohttp import BodyPartReader, web

from tusserver.gallery import Act, no_such_image
from tusserver.protocol.access import judge_read
from tusserver.protocol.downloads import Representation, content_disposition, security_headers
from tusserver.protocol.images import NoFiles, Wish, parse_wish, safe_stored_filename
from tusserver.protocol.refusals import BodyCut, Refusal, UploadNotFound
from tusserver.protocol.uploads import Image, Upload
from tusserver.settings import Previews
from tusserver.web import multipart
from tusserver.web.auth import caller_of
from tusserver.web.body import body_facts
from tusserver.web.download import send_opened, send_stored
from tusserver.web.listing import BadQuery, limit_of, thumbnail
from tusserver.web.rest_fields import BadField
from tusserver.web.site import site_of

# What a part with a file may be called; the first is the one that is told.
FILES = ("files", "file", "files[]")
MOST_FILES = 100
# Fields that are no files belong to somebody's form; they are passed over.
MOST_FIELDS, MOST_TEXT = 100, 1 << 16
NO_STORE = {"Cache-Control": "no-store"}
# A name may be another image's once this one was removed, so nobody keeps it for ever.
PUBLIC = "public, max-age=3600"
PRIVATE = "private, no-cache"


class TooManyFiles(Refusal):
    """More parts than are taken as one act."""

    status, code, title = 413, "too-many-files", "The request has more files than are taken at once"


async def upload(request: web.Request) -> web.StreamResponse:
    """`POST /api/upload`: one or more images in a form, all of them or none."""
    caller = await caller_of(request)
    caller.require()
    body_facts(request)
    if not request.content_type.startswith("multipart/"):
        raise NoFiles
    async with site_of(request).gallery.act(caller) as act:
        count = await _take_files(request, act)
        if not count:
            raise NoFiles
        taken = await act.keep()
    files = f"{count} file" if count == 1 else f"{count} files"
    told = {"message": f"Successfully uploaded {files}", "data": [describe(request, one) for one in taken]}
    return web.json_response(told, headers=NO_STORE)


async def _take_files(request: web.Request, act: Act) -> int:
    """Give every file of the form to the act; gives their number."""
    form = await multipart.begin(request)
    files = fields = 0
    while (part := await multipart.next_part(request, form)) is not None:
        # A browser sends a part without name and bytes where nobody chose a file.
        if not part.filename:
            fields += 1
            if fields > MOST_FIELDS:
                raise TooManyFiles(f"at most {MOST_FIELDS} fields are taken beside the files", limit=MOST_FIELDS)
            await _pass_over(request, part)
            continue
        if part.name not in FILES:
            raise BadField(part.name or "", "is a file; send files as `files`")
        files += 1
        if files > MOST_FILES:
            raise TooManyFiles(f"at most {MOST_FILES} files are taken at once", limit=MOST_FILES)
        await _take(request, part, act)
    return files


async def _pass_over(request: web.Request, part: BodyPartReader) -> None:
    """Read a field that is no file; one that is meant for a file and only lacks its name is not passed over."""
    size = 0
    while data := await multipart.next_piece(request, part):
        size += len(data)
        if size > MOST_TEXT or part.name in FILES:
            raise BadField(part.name or "", "has no filename; send files as `files`, each with its filename")


async def _take(request: web.Request, part: BodyPartReader, act: Act) -> None:
    source = multipart.PartBody(request, part)
    try:
        await act.take(part.filename or "", source)
    except BodyCut:
        if source.refusal is not None:
            raise source.refusal from None
        raise


async def list_images(request: web.Request) -> web.StreamResponse:
    """`GET /api/images`: one page of the caller's images, newest first; `limit` and `cursor` in the query."""
    caller = await caller_of(request)
    owner = caller.require()
    limit = limit_of(request)
    try:
        page = await site_of(request).backends.infos.page(
            owner=None if caller.is_open else owner,
            only_images=True,
            limit=limit,
            cursor=request.query.get("cursor"),
        )
    except ValueError:
        raise BadQuery("cursor is none that this server gave") from None
    told = {"data": [describe(request, one) for one in page.uploads], "next_cursor": page.next_cursor}
    return web.json_response(told, headers=NO_STORE)


async def remove(request: web.Request) -> web.StreamResponse:
    """`DELETE /api/images/{stored_filename}`: the image, its upload and everything that was made of it."""
    caller = await caller_of(request)
    await site_of(request).gallery.remove(await _own(request), caller)
    return web.Response(status=204)


async def show(request: web.Request) -> web.StreamResponse:
    """`GET /uploads/{stored_filename}`: the image in place, or as `w`, `h`, `fit`, `format` and `q` have it."""
    site = site_of(request)
    is_private = site.settings.images is Previews.PRIVATE
    found = await (_own(request) if is_private else site.gallery.find(request.match_info["stored_filename"]))
    image, wish = image_of(found), parse_wish(request.query)
    headers = {"Cache-Control": PRIVATE if is_private else PUBLIC, **security_headers()}
    if wish is not None:
        return await _show_derived(request, found, wish, headers)
    whole = Representation(found.offset, _tag(found), found.completed_at)
    return await send_stored(request, found.id, whole, headers | _typed(image.stored_filename, image.content_type))


async def _show_derived(request: web.Request, found: Upload, wish: Wish, headers: dict[str, str]) -> web.StreamResponse:
    with await site_of(request).gallery.derived(found, wish) as derived:
        whole = Representation(derived.size, _tag(found, wish), found.completed_at)
        name = safe_stored_filename(image_of(found).stored_filename, derived.content_type)
        return await send_opened(request, derived.file, whole, headers | _typed(name, derived.content_type))


async def _own(request: web.Request) -> Upload:
    """The image that is meant, if its upload may be read by whoever asks.

    Raises:
        TokenNeeded, BadToken: status 401, also where there is no such image.
        UploadNotFound: status 404. It does not tell the id, which is the address of the upload.
    """
    caller = await caller_of(request)
    caller.require()
    found = await site_of(request).gallery.find(request.match_info["stored_filename"])
    try:
        judge_read(caller, found)
    except UploadNotFound:
        raise no_such_image() from None
    return found


def _tag(found: Upload, wish: Wish | None = None) -> str:
    """The entity tag of an image or of what is made of it. Whoever sees an image does not learn the id by it."""
    key = found.id if wish is None else f"{found.id} {wish.key}"
    return f'"{hashlib.sha256(key.encode()).hexdigest()[:32]}"'


def _typed(name: str, content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "Content-Disposition": content_disposition(name, name, inline=True)}


def image_of(found: Upload) -> Image:
    """What is known of an upload that is an image."""
    assert found.facts.image is not None
    return found.facts.image


def describe(request: web.Request, found: Upload) -> dict[str, object]:
    """An image for JSON, with absolute addresses: they are put into pages elsewhere."""
    image, site = image_of(found), site_of(request)
    address = site.preview(image.stored_filename)
    if site.settings.base_url is None:
        seen = site.seen(request)
        address = f"{seen.scheme}://{seen.host}{address}"
    return {
        "stored_filename": image.stored_filename,
        "preview_url": address,
        "original_filename": found.filename,
        "file_size": found.offset,
        "content_type": image.content_type,
        "upload_id": found.id,
        "width": image.width,
        "height": image.height,
        "thumbnail_url": thumbnail(address),
    }
