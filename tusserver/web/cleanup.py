"""`DELETE /cleanup`: the caller's uploads that nobody will finish are removed."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from tusserver.web import rest_fields
from tusserver.web.auth import caller_of
from tusserver.web.rest_fields import BadField, check_known
from tusserver.web.site import site_of

# `datetime` ends with the year 9999.
LONGEST = 36_500 * 86_400


async def cleanup(request: web.Request) -> web.StreamResponse:
    """Removes expired and stale unfinished uploads: the caller's, an admin's are everybody's.

    Never a finished one, never one that is receiving. `older_than` in seconds, and `dry_run`, in the query.
    """
    caller = await caller_of(request)
    owner = caller.require()
    site = site_of(request)
    check_known(request.query, ("older_than", "dry_run"))
    seconds = rest_fields.whole(request.query, "older_than")
    if seconds is not None and seconds > LONGEST:
        raise BadField("older_than", f"is more than {LONGEST} seconds")
    report = await site.sweeper.clean(
        owner=None if caller.is_admin else owner,
        older_than=timedelta(seconds=site.settings.stale_after if seconds is None else seconds),
        dry_run=rest_fields.flag(request.query, "dry_run"),
    )
    told = {
        "removed_count": report.removed_count,
        "freed_bytes": report.freed_bytes,
        "removed": [one._asdict() for one in report.removed],
        "dry_run": report.dry_run,
    }
    return web.json_response(told, headers={"Cache-Control": "no-store"})
