"""The routes of archives: of stored uploads, and of files that are never stored."""

from __future__ import annotations

from tusserver.protocol import filenames, refusals
from tusserver.web import body, multipart, rest_fields, zip_file, zip_room, zip_stored
from tusserver.web.openapi_parts import (
    CONDITIONS,
    DOCUMENT,
    FORM,
    JSON,
    RANGE,
    READ,
    WHO,
    Answer,
    Operation,
    Paths,
    Refusals,
    query,
)
from tusserver.web.openapi_schemas import BYTES, ID_SHOWN, TEXT, Schema, ref, several, told, wish

ZIP = "application/zip"
HEADERS = ("ETag", "Cache-Control", "Accept-Ranges", "Content-Disposition")
STORED: Refusals = (*READ, rest_fields.BadField, filenames.BadFilename, zip_stored.TooManyEntries)
TEXT_OF_STORED = (
    "Each is named by its id or by its filename, which means the newest finished upload of that name; a refusal tells "
    "in `upload` which it is about. Folders stay as they are in the filenames, and files of one name are numbered. The "
    "files are stored in the archive as they are, so its length is known and any part of it can be asked for: a "
    "download that broke off goes on where it was, also after a restart of the server."
)
SCHEMAS: dict[str, Schema] = {
    "ArchiveWish": wish(
        {
            "uploads": told(several(TEXT), "Ids or filenames.", maxItems=zip_stored.MOST_ENTRIES, minItems=1),
            "name": told(TEXT, "Filename of the archive; `.zip` is added where it is missing."),
        },
        {"uploads": [ID_SHOWN, "photos/2026/beach.jpg"], "name": "holiday"},
        required=("uploads",),
    ),
    "ZipForm": {
        "type": "object",
        "description": "Every file counts, whatever its field is called.",
        "properties": {"files": several(BYTES)},
    },
}
ANSWERS = {
    200: Answer("The whole archive.", {ZIP: BYTES}, HEADERS),
    206: Answer("The bytes of the range.", {ZIP: BYTES}, (*HEADERS, "Content-Range")),
}
WHICH: Schema = {**TEXT, "examples": [ID_SHOWN]}
NAME = SCHEMAS["ArchiveWish"]["properties"]["name"]
GET = Operation(
    "zip",
    "Finished uploads as one archive",
    {**ANSWERS, 304: Answer("It is the one that the client has.", headers=("ETag", "Cache-Control"))},
    STORED,
    (
        query("uploads", "Ids or filenames between commas; may come several times.", WHICH, required=True),
        query("name", NAME["description"]),
        RANGE, *CONDITIONS,
    ),
    text=TEXT_OF_STORED + " A filename that has a comma itself is found where it is the whole of one `uploads`.",
)  # fmt: skip
POST = Operation(
    "zip",
    "The same for lists that are longer than an address may be",
    ANSWERS,
    (*STORED, *DOCUMENT),
    (RANGE, *CONDITIONS),
    {JSON: ref("ArchiveWish")},
    text=TEXT_OF_STORED,
)
FILES = Operation(
    "zip",
    "The files of a form as one compressed archive, which is kept nowhere",
    {200: Answer("The archive, as it is made.", {ZIP: BYTES}, ("Cache-Control", "Content-Disposition"))},
    (
        *(*WHO, zip_file.NothingToZip, zip_file.FilesTooLarge, zip_room.ZipBusy, multipart.BadMultipart),
        *(refusals.BodyStalled, body.EncodedBody, body.UnknownCoding),
    ),
    body={FORM: ref("ZipForm")},
    text="It is made in memory. The files together may be as large as the setting `zip_max_size` says.",
)

PATHS: Paths = {"/zip": {"GET": GET, "POST": POST}, "/zip-file/": {"POST": FILES}, "/zip-file": {"POST": FILES}}
