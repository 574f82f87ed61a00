"""The routes of images: several taken as one act, shown in any size, listed, removed."""

from __future__ import annotations

from tusserver.protocol import images as rules
from tusserver.protocol import refusals
from tusserver.protocol.images import MAX_SIDE, Fit
from tusserver.web import images, listing, multipart, rest_fields
from tusserver.web.openapi_parts import (
    ARRIVES,
    CONDITIONS,
    FILE_HEADERS,
    FORM,
    JSON,
    OFTEN,
    RANGE,
    ROOM,
    UNCHANGED,
    UPLOADS,
    WHO,
    Answer,
    Operation,
    Paths,
    Refusals,
    query,
)
from tusserver.web.openapi_schemas import (
    ADDRESS,
    BYTES,
    COUNT,
    ID,
    ID_SHOWN,
    TEXT,
    Schema,
    answer,
    or_null,
    ref,
    several,
    told,
)

KEPT = ("Cache-Control",)
# Reading an image may fail for want of a process to read it.
READING: Refusals = (
    *(rules.NotAnImage, rules.ImageTooLarge, rules.ImagesBusy, rules.ImagesAway),
    *(refusals.Stopping, refusals.StorageFull),
    *OFTEN,
)

STORED_FILENAME = told(
    TEXT, "The name that the image is shown under: the original made safe, with random characters where it was taken."
)
PREVIEW_URL = told(ADDRESS, "Where the image is shown.")
THUMBNAIL_URL = told(ADDRESS, "Where a form of it is shown that is 320 pixels wide at most.")
SHOWN: Schema = {
    "stored_filename": "image1.jpg",
    "preview_url": "http://127.0.0.1:5000/uploads/image1.jpg",
    "original_filename": "image1.jpg",
    "file_size": 125_000,
    "content_type": "image/jpeg",
    "upload_id": ID_SHOWN,
    "width": 1024,
    "height": 768,
    "thumbnail_url": "http://127.0.0.1:5000/uploads/image1.jpg?w=320",
}
SCHEMAS: dict[str, Schema] = {
    "Image": answer(
        {
            "stored_filename": STORED_FILENAME,
            "preview_url": PREVIEW_URL,
            "original_filename": told(or_null(TEXT), "The filename of the upload."),
            "file_size": told(COUNT, "Bytes that are stored."),
            "content_type": told(TEXT, "Of its bytes, whatever was declared.", pattern="^image/[a-z]+$"),
            "upload_id": ID,
            "width": told(COUNT, "Pixels as displayed, the orientation applied."),
            "height": told(COUNT, "The same."),
            "thumbnail_url": THUMBNAIL_URL,
        },
        SHOWN,
    ),
    "ImagesTaken": answer(
        {"message": told(TEXT, "How many were taken, in words."), "data": several(ref("Image"))},
        {"message": "Successfully uploaded 1 file", "data": [SHOWN]},
    ),
    "ImagePage": answer(
        {"data": several(ref("Image")), "next_cursor": or_null(TEXT)}, {"data": [SHOWN], "next_cursor": None}
    ),
    "ImageForm": {
        "type": "object",
        "properties": {"files": several(BYTES)},
        "required": ["files"],
    },
}
TAKE = Operation(
    "images",
    "Upload images",
    {200: Answer("All of them are stored, and shown from now on.", {JSON: ref("ImagesTaken")}, KEPT)},
    (
        *(*WHO, *ROOM, *ARRIVES, *READING, rules.BadExtension, rules.NoFiles, images.TooManyFiles),
        *(multipart.BadMultipart, rest_fields.BadField),
    ),
    body={FORM: ref("ImageForm")},
    text="One or more files, named `files`. They are one act: if one is refused, none is kept. The extension must be "
    "one of the setting `allowed_extensions`, and the bytes must decode as that type.",
)
SHOW = Operation(
    "images",
    "An image, as it is or in another size or format",
    {
        200: Answer("The image, in place.", {"image/*": BYTES}, FILE_HEADERS),
        206: Answer("The bytes of the range.", {"image/*": BYTES}, (*FILE_HEADERS, "Content-Range")),
        304: UNCHANGED,
    },
    (
        *(*WHO, *READING, rules.BadWish, refusals.UploadNotFound, refusals.PreconditionFailed),
        refusals.RangeUnsatisfiable,
    ),
    (
        query("w", "Room for its width in pixels.", {"type": "integer", "minimum": 1, "maximum": MAX_SIDE}),
        query("h", "Room for its height.", {"type": "integer", "minimum": 1, "maximum": MAX_SIDE}),
        query(
            "fit",
            "How it fills the room: `cover` fills it and is cut, `contain` fits inside, `scale-down` as that and is "
            "never enlarged, which is what happens where nothing is said.",
            {"type": "string", "enum": list(Fit)},
        ),
        query("format", "Another format.", {"type": "string", "enum": ["jpeg", "png", "webp", "avif"]}),
        query("q", "Quality.", {"type": "integer", "minimum": 1, "maximum": 100}),
        *(RANGE, *CONDITIONS),
    ),
    needs_token=False,
    text="Everybody may see it who knows its address, since an img tag sends no token. With the setting "
    "`images=private` only those may who may read the upload; for them the cookie of the page counts.",
)

PATHS: Paths = {
    "/api/upload": {"POST": TAKE},
    UPLOADS + "/{stored_filename}": {"GET": SHOW},
    "/api/images": {
        "GET": Operation(
            "images",
            "The caller's images, newest first",
            {200: Answer("One page of them, also of those that came by other doors.", {JSON: ref("ImagePage")}, KEPT)},
            (*WHO, listing.BadQuery, refusals.MalformedHeader, *OFTEN),
            (
                query("limit", "At most so many, 200 at most.", COUNT),
                query("cursor", "`next_cursor` of the page before."),
            ),
        ),
    },
    "/api/images/{stored_filename}": {
        "DELETE": Operation(
            "images",
            "Remove an image",
            {204: Answer("It is gone, its upload too, and everything that was made of it.")},
            (*WHO, refusals.UploadNotFound, refusals.Busy, *OFTEN),
        ),
    },
}
