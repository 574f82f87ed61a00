"""Extension expiration."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

from tusserver.check.outcomes import Failed, NotTried, expect
from tusserver.check.probe import Probe, expect_status
from tusserver.check.table import Level, requirement
from tusserver.check.wire import Answer

HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"
HTTP_DATE_FORM = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
    r"\d{2}:\d{2}:\d{2} GMT",
    re.ASCII,
)
LONGEST_WAIT = 15.0
# The date counts whole seconds.
RESOLUTION = 1.0


def parse_date(told: str) -> datetime:
    """Read an IMF-fixdate. Raises Failed if it is none, or if the day of the week is another."""
    try:
        if HTTP_DATE_FORM.fullmatch(told):
            moment = datetime.strptime(told, HTTP_DATE).replace(tzinfo=UTC)
            if moment.strftime(HTTP_DATE) == told:
                return moment
    except ValueError:
        pass
    raise Failed(f"expected a date like 'Sun, 06 Nov 1994 08:49:37 GMT'; came {told!r}")


def expires_in(answer: Answer) -> datetime:
    """The date in Upload-Expires. Raises Failed if there is none."""
    told = answer.get("Upload-Expires")
    if told is None:
        raise Failed(f"expected Upload-Expires; came\n{answer}")
    return parse_date(told)


async def patched(tus: Probe, length: int, data: bytes = b"hello") -> tuple[str, Answer]:
    """A new upload, and the answer to the PATCH of its first bytes."""
    await tus.needs("expiration")
    url = await tus.create(length)
    answer = await tus.patch(url, 0, data)
    expect_status(answer, 204)
    return url, answer


async def wait_past(date: datetime) -> None:
    """Wait until `date` is over. Raises NotTried if that takes long."""
    seconds = (date - datetime.now(UTC)).total_seconds() + RESOLUTION
    if seconds > LONGEST_WAIT:
        raise NotTried(f"uploads expire after {seconds:.0f} s here; start the server with an expiry of 2 s")
    await asyncio.sleep(max(0.0, seconds))


@requirement("expiration.patch", Level.MUST, "Upload-Expires on the PATCH answer of an unfinished upload")
async def a_patch_tells_when_the_upload_expires(tus: Probe) -> None:
    _, answer = await patched(tus, 10)
    expires_in(answer)


@requirement("expiration.post", Level.SHOULD, "Upload-Expires on the creation answer (when already known)")
async def a_creation_tells_when_the_upload_expires(tus: Probe) -> None:
    await tus.needs("expiration")
    expires_in(await tus.post({"Upload-Length": "10"}))


@requirement("expiration.format", Level.MUST, "Upload-Expires is an HTTP date (IMF-fixdate) on POST and PATCH")
async def the_date_is_an_http_date(tus: Probe) -> None:
    await tus.needs("expiration")
    created = await tus.post({"Upload-Length": "10"})
    url = tus.location(created)
    # On POST it may be unknown as yet; `expiration.post` asks for it.
    if told := created.get("Upload-Expires"):
        parse_date(told)
    expires_in(await tus.patch(url, 0, b"hello"))


@requirement("expiration.head", Level.EXT, "HEAD of an unfinished upload tells Upload-Expires too")
async def head_tells_when_the_upload_expires(tus: Probe) -> None:
    url, _ = await patched(tus, 10)
    expires_in(await tus.head(url))


@requirement("expiration.date-agrees", Level.EXT, "the date agrees between POST and HEAD, or moves later only")
async def the_date_never_moves_earlier(tus: Probe) -> None:
    await tus.needs("expiration")
    created = await tus.post({"Upload-Length": "10"})
    url = tus.location(created)
    dates = [expires_in(created), expires_in(await tus.head(url))]
    dates += [expires_in(await tus.patch(url, 0, b"hello")), expires_in(await tus.head(url))]
    expect(dates == sorted(dates), "dates that never move earlier (POST, HEAD, PATCH, HEAD)", [*map(str, dates)])


@requirement("expiration.gone", Level.SHOULD, "an expired upload answers HEAD and PATCH with 404 or 410")
async def an_expired_upload_is_gone(tus: Probe) -> None:
    url, answer = await patched(tus, 10)
    await wait_past(expires_in(answer))
    expect_status(await tus.head(url), 404, 410)
    expect_status(await tus.patch(url, 5, b"world"), 404, 410)
    expect_status(await tus.head(url), 404, 410)


@requirement(
    "expiration.finished-stays",
    Level.HARD,
    "a finished upload outlives the date its unfinished form was given",
)
async def a_finished_upload_outlives_its_date(tus: Probe) -> None:
    url, answer = await patched(tus, 10)
    expect_status(await tus.patch(url, 5, b"world"), 204)
    await wait_past(expires_in(answer))
    # Clean-up runs from time to time, so a wrong one shows a little later.
    for _ in range(3):
        await tus.expect_offset(url, 10)
        await tus.expect_stored(url, b"helloworld")
        await asyncio.sleep(0.5)
