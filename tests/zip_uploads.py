"""Finished uploads put into a folder without a server: many, or with holes of many gigabytes."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tusserver.app import BYTES, DATABASE
from tusserver.infos.sqlite import SqliteInfos
from tusserver.protocol.ids import RANDOM_BYTES, make_id
from tusserver.protocol.uploads import Facts, State, Upload
from tusserver.stores.paths import path_of

MOMENT = datetime(2026, 7, 8, 9, 10, 12, tzinfo=UTC)
# Records that are written side by side.
TOGETHER = 500


def put(folder: Path, *files: tuple[str | None, int | bytes], crc32: int | None = None) -> list[str]:
    """The ids of new finished uploads in the folder of a server.

    Args:
        files: names, and the bytes of each or the size of a hole.
        crc32: known of all of them, None: of none.
    """
    return asyncio.run(put_beside(folder, *files, crc32=crc32))


async def put_beside(folder: Path, *files: tuple[str | None, int | bytes], crc32: int | None = None) -> list[str]:
    """The same where an event loop runs."""
    ids = [make_id(secrets.token_bytes(RANDOM_BYTES)) for _ in files]
    for id, (_, content) in zip(ids, files, strict=True):
        path = path_of(folder / BYTES, id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(content) if isinstance(content, int) else file.write(content)
    await _enter(folder, [_record(id, *file, crc32) for id, file in zip(ids, files, strict=True)])
    return ids


def _record(id: str, name: str | None, content: int | bytes, crc32: int | None) -> Upload:
    size = content if isinstance(content, int) else len(content)
    facts = Facts(crc32=crc32)
    return Upload(id, MOMENT, MOMENT, size, size, State.COMPLETE, filename=name, completed_at=MOMENT, facts=facts)


async def _enter(folder: Path, records: Sequence[Upload]) -> None:
    infos = SqliteInfos(folder / DATABASE)
    await infos.open()
    try:
        for begin in range(0, len(records), TOGETHER):
            await asyncio.gather(*map(infos.create, records[begin : begin + TOGETHER]))
            known = [one for one in records[begin : begin + TOGETHER] if one.facts.crc32 is not None]
            await asyncio.gather(*(infos.note(one.id, one.facts) for one in known))
    finally:
        await infos.close()


def tree_of(folder: Path) -> dict[str, int]:
    """Every file below a folder, with its size."""
    return {str(path.relative_to(folder)): os.lstat(path).st_size for path in folder.rglob("*") if not path.is_dir()}
