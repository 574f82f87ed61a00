"""The routes of plain REST: uploads by chunks, downloads, status and cleanup, by filename."""

from __future__ import annotations

from tusserver.protocol import chunks, filenames, refusals
from tusserver.web import listing, multipart, rest_chunks, rest_fields, rest_files, rest_status
from tusserver.web.openapi_parts import (
    ALIVE,
    ARRIVES,
    BESIDE,
    CONDITIONS,
    DOCUMENT,
    ENDS,
    FIELDS,
    FILE_ANSWERS,
    FILE_HEADERS,
    FORM,
    JSON,
    NAMED,
    OCTETS,
    OFTEN,
    RANGE,
    READ,
    ROOM,
    UNCHANGED,
    WHO,
    Answer,
    Operation,
    Parameter,
    Paths,
    header,
    query,
)
from tusserver.web.openapi_schemas import BYTES, CHUNK_FIELDS, COUNT, FLAG, TEXT, ref

RANGE_NEEDED = Parameter(RANGE.name, RANGE.where, RANGE.text, RANGE.schema, required=True)
KEPT = ("Cache-Control",)

START = Operation(
    "rest",
    "Begin an upload, or go on with one",
    {
        201: Answer("A new upload.", {JSON: ref("Started")}, ("Location", *KEPT)),
        200: Answer("The unfinished one, as it stands.", {JSON: ref("Started")}, ("Location", *KEPT)),
    },
    (*WHO, *FIELDS, *DOCUMENT, *ROOM, *OFTEN, filenames.FilenameInUse, refusals.Busy, *ENDS),
    body={JSON: ref("Start")},
    text="Said again with the same filename and size, while the upload is unfinished, it answers the upload as it "
    "stands: this is how to resume. A finished upload of that filename is replaced only with `overwrite`, and only "
    "once the new one is complete.",
)
CHUNK = Operation(
    "rest",
    "Store the next chunk",
    {200: Answer("It is stored; the last one makes the upload complete.", {JSON: ref("Stored")}, KEPT)},
    (
        *(*ALIVE, *FIELDS, *DOCUMENT, *ARRIVES, rest_chunks.BadBase64, multipart.BadMultipart),
        *(chunks.ChunkOutOfOrder, chunks.OffsetMoved, chunks.ChunkMisplaced),
        *(refusals.PastLength, refusals.TooLarge, refusals.FinalUnchangeable, refusals.QuotaExceeded),
    ),
    (
        *(query(name, "Of a raw body. " + schema["description"], schema) for name, schema in CHUNK_FIELDS.items()),
        header("Content-Digest", "Of a raw body. RFC 9530."),
    ),
    {JSON: ref("JsonChunk"), FORM: ref("FormChunk"), OCTETS: BYTES},
    text="Whole or not at all, in one of three forms: JSON is held in memory and bounded; a form and a raw body "
    "(described in the query) are streamed. `chunk_index` or `offset` says where the chunk belongs. The chunk stored "
    "last, sent again, changes nothing.",
)
COMPLETE = Operation(
    "rest",
    "Confirm that every byte has come",
    {200: Answer("The upload is complete.", {JSON: ref("Completed")}, KEPT)},
    (*ALIVE, *FIELDS, *DOCUMENT, refusals.UploadIncomplete, *ENDS, refusals.Busy),
    body={JSON: ref("Complete")},
    text="A size that was not known becomes what there is. Said twice, it is answered twice the same.",
)
CLEAN = Operation(
    "rest",
    "Remove what nobody will finish",
    {200: Answer("What was removed, or with `dry_run` would have been.", {JSON: ref("Cleaned")}, KEPT)},
    (*WHO, rest_fields.BadField, *OFTEN),
    (
        query("older_than", "Seconds since the last byte from which on an upload is stale.", COUNT),
        query("dry_run", "Only tell what would go.", FLAG),
    ),
    text="The caller's expired and stale unfinished uploads; everybody's for a token with the scope `admin`. Never a "
    "finished one, never one that is receiving.",
)
LIST = Operation(
    "rest",
    "The caller's uploads, newest first",
    {200: Answer("One page of them.", {JSON: ref("Page")}, KEPT)},
    (*WHO, listing.BadQuery, refusals.MalformedHeader, *OFTEN),
    (
        query("state", "Only these, between commas: pending, partial, complete, failed."),
        query("filename", "Only this one."),
        query("limit", "At most so many, 200 at most.", COUNT),
        query("cursor", "`next_cursor` of the page before."),
    ),
)
STATUS = Operation(
    "rest",
    "How far an upload is",
    {
        200: Answer(
            "The newest upload of that name; or its events, each with such a document.",
            {JSON: ref("Status"), "text/event-stream": TEXT},
            KEPT,
        ),
        204: Answer("To an EventSource that has seen the last event: nothing more will come."),
    },
    (*NAMED, rest_status.StreamsFull),
    (header("Last-Event-ID", "Sent by an EventSource that connects again."),),
    text="With `Accept: text/event-stream` an event at every change, until the upload is complete, failed or gone.",
)
DOWNLOAD = (*READ, *NAMED)
PART = (*DOWNLOAD, rest_files.RangeRequired)

PATHS: Paths = {
    "/upload/start": {"POST": START},
    "/upload/chunk": {"POST": CHUNK},
    "/upload/complete": {"POST": COMPLETE},
    "/status": {"GET": LIST},
    "/status/{filename}": {"GET": STATUS},
    "/download/{filename}": {
        "GET": Operation(
            "rest", "A finished file", FILE_ANSWERS, DOWNLOAD, (RANGE, *CONDITIONS),
            text="The newest finished upload of that name, always as a file to keep.",
        ),
    },
    "/download/partial/{filename}": {
        "GET": Operation(
            "rest", "A part of a finished file",
            {206: Answer("The bytes of the range.", {"*/*": BYTES}, (*FILE_HEADERS, "Content-Range")), 304: UNCHANGED},
            PART, (RANGE_NEEDED, CONDITIONS[0], CONDITIONS[1]),
            text="Fixed paths win over names: a file in a folder named `partial` is read at its own address.",
        ),
        "HEAD": Operation(
            BESIDE, "A finished file, without its bytes",
            {200: Answer("What GET of the whole would send beside the bytes.", headers=FILE_HEADERS), 304: UNCHANGED},
            tuple(kind for kind in PART if kind is not refusals.RangeUnsatisfiable), (RANGE_NEEDED, *CONDITIONS[:2]),
        ),
    },
    "/cleanup": {"DELETE": CLEAN},
}  # fmt: skip
