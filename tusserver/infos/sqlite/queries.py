"""The statements of the SQLite records. Each reads through one index and stops at its limit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tusserver.infos.sqlite.rows import COLUMNS, FACTS, to_text
from tusserver.protocol.uploads import State

# What moves while bytes arrive. The rest is written once, and most indexes are on the rest.
_MOVING = {"updated_at", "length", "offset", "state", "expires_at", "completed_at", "unverified", "last_chunk"}

_NUMBERED = [(name, f'"{name}"', f"?{number}") for number, name in enumerate(COLUMNS, 1)]
_NAMES = ", ".join(quoted for _, quoted, _ in _NUMBERED)
_VALUES = ", ".join(value for _, _, value in _NUMBERED)
_ALL = ", ".join(f"{quoted} = {value}" for _, quoted, value in _NUMBERED[1:])
_MOVED = ", ".join(f"{quoted} = {value}" for name, quoted, value in _NUMBERED if name in _MOVING)
_SAME = " AND ".join(f"{quoted} IS {value}" for name, quoted, value in _NUMBERED[1:] if name not in _MOVING)
# The key of a final upload is looked for and never read.
_SELECT = "SELECT {} FROM uploads".format(", ".join(f'"{name}"' for name in (*COLUMNS[:-1], *FACTS)))

# SQLite writes an index anew when one of its columns is set, also to the value it had. So a save first tries to set
# only what moves, which a PATCH does, and takes a third less time.
CREATE = f"INSERT INTO uploads ({_NAMES}) VALUES ({_VALUES}) ON CONFLICT (id) DO NOTHING"
SAVE = (f"UPDATE uploads SET {_MOVED} WHERE id = ?1 AND {_SAME}", f"UPDATE uploads SET {_ALL} WHERE id = ?1")
LEARN = f"UPDATE uploads SET {', '.join(f'{name} = ifnull(?, {name})' for name in FACTS)} WHERE id = ?"
NOTE = f"{LEARN} AND state = 'complete'"
IS_TAKEN = "SELECT 1 FROM uploads WHERE stored_filename = ?"
DELETE = "DELETE FROM uploads WHERE id = ?"

LOAD = f"{_SELECT} WHERE id = ?"
LOAD_MANY = f"{_SELECT} WHERE id IN (SELECT value FROM json_each(?))"
IMAGE = f"{_SELECT} WHERE stored_filename = ?"
KNOWN = "SELECT id FROM uploads WHERE id IN (SELECT value FROM json_each(?))"
EXPIRED = f"{_SELECT} INDEXED BY uploads_expiring WHERE expires_at <= ? ORDER BY expires_at, id LIMIT ?"
_COMPLETE = f"""{_SELECT} INDEXED BY uploads_finished
    WHERE state = 'complete' AND (crc32 IS NULL AND kind <> 'partial') = {{is_unexamined}} AND completed_at {{bound}}
    ORDER BY completed_at, id LIMIT {{limit}}"""
_FINISHED = (_COMPLETE.format(is_unexamined=fact, bound="<= ?1", limit="?2") for fact in (0, 1))
FINISHED = f"{' UNION ALL '.join(f'SELECT * FROM ({each})' for each in _FINISHED)} ORDER BY completed_at, id LIMIT ?2"
# Every date is one since 1970; named, it is looked for in the index.
UNEXAMINED = _COMPLETE.format(is_unexamined=1, bound=">= 0", limit="?")
TO_ANNOUNCE = f"""{_SELECT} INDEXED BY uploads_announcing
    WHERE announce IS NOT NULL AND state = 'complete' AND completed_at >= 0 ORDER BY completed_at, id LIMIT ?"""
UNFINISHED = f"""{_SELECT} INDEXED BY uploads_unfinished
    WHERE state IN ('pending', 'receiving') AND id > ? ORDER BY id LIMIT ?"""
STALE = f"""{_SELECT} INDEXED BY uploads_unfinished
    WHERE state IN ('pending', 'receiving') AND id > ?1 AND updated_at <= ?2 ORDER BY id LIMIT ?3"""
STALE_OF = f"""{_SELECT} INDEXED BY uploads_unfinished
    WHERE state IN ('pending', 'receiving') AND id > ?1 AND updated_at <= ?2 AND owner IS ?4 ORDER BY id LIMIT ?3"""
OLDER_OF_NAME = f"""{_SELECT} INDEXED BY uploads_name
    WHERE kind <> 'partial' AND owner IS ?1 AND filename = ?2 AND state = 'complete'
    AND (created_at, id) < (?3, ?4)
    ORDER BY created_at DESC, id DESC LIMIT 100"""
FINALS_OF = f"""{_SELECT} WHERE id IN (SELECT final FROM parts WHERE part = ?)
    AND kind = 'final' AND state IN ('pending', 'receiving') ORDER BY created_at, id"""
_SAME_FINAL = """{select} INDEXED BY uploads_final
    WHERE final_key = ?1 AND kind = 'final' AND owner IS ?2 AND concat IS ?3 AND metadata IS ?4
    ORDER BY created_at DESC, id DESC LIMIT 1"""
SAME_FINAL = _SAME_FINAL.format(select=_SELECT)
FATE_OF_SAME_FINAL = _SAME_FINAL.format(select="SELECT state, expires_at FROM uploads")

TOTALS = "SELECT high, low, unknown, open FROM totals WHERE owner = ifnull(?, x'')"
_COUNT_RECENT = """SELECT count(*) FROM (SELECT 1 FROM uploads INDEXED BY {index}
    WHERE owner {test} AND created_at > ?2 AND created_at < ?3 LIMIT ?4)"""
COUNT_RECENT = _COUNT_RECENT.format(index="uploads_owner", test="= ?1")
COUNT_RECENT_OF_NOBODY = _COUNT_RECENT.format(index="uploads_newest", test="IS ?1")
ROOM_OF_LINK = "SELECT max_uploads, uploads, expires_at FROM links WHERE id = ?"
COUNT_AT_LINK = "UPDATE links SET uploads = uploads + 1 WHERE id = ?"


def newest(
    owner: str | None, filename: str, states: Collection[State], *, by_link: bool = True
) -> tuple[str, Sequence[Any]]:
    """The statement of the newest record with an owner and a filename, and its values."""
    tests = ["kind <> 'partial'", "owner IS ?", "filename = ?", *([] if by_link else ["link IS NULL"])]
    values = [to_text(owner), to_text(filename)]
    if states and State.COMPLETE not in states:
        # Thousands of photographs may be complete under one name.
        return _by_state(sorted(set(states)), tests, values, 1)
    if states:
        tests.append(f"state IN ({', '.join('?' * len(states))})")
    return _ordered("uploads_name", tests), [*values, *(state.value for state in states), 1]


def listing(
    owner: str | None,
    states: Collection[State],
    filename: str | None,
    limit: int,
    behind: tuple[int, str] | None,
    *,
    only_images: bool = False,
) -> tuple[str, list[Any]]:
    """The statement of one page and its values; `behind` is where the last page ended.

    The index is named, because SQLite without statistics guesses: a name is taken to be rarer than an owner, and each
    state but `complete` to be rare.
    """
    tests = ["kind <> 'partial'"]
    values: list[Any] = []
    if owner is not None:
        tests.append("owner = ?")
        values.append(to_text(owner))
    if filename is not None:
        tests.append("filename = ?")
        values.append(to_text(filename))
    if behind is not None:
        tests.append("(created_at, id) < (?, ?)")
        values.extend(behind)
    if only_images:
        tests.append("stored_filename IS NOT NULL")
        index = "uploads_newest_images" if owner is None else "uploads_images"
    else:
        index = "uploads_name" if filename is not None else "uploads_owner" if owner is not None else "uploads_newest"
    if index == "uploads_newest" and states and State.COMPLETE not in states:
        return _by_state(sorted(set(states)), tests, values, limit)
    if states:
        tests.append(f"state IN ({', '.join('?' * len(states))})")
        values.extend(state.value for state in states)
    return _ordered(index, tests), [*values, limit]


def _ordered(index: str, tests: list[str]) -> str:
    return f"{_SELECT} INDEXED BY {index} WHERE {' AND '.join(tests)} ORDER BY created_at DESC, id DESC LIMIT ?"


def _by_state(states: list[State], tests: list[str], values: list[Any], limit: int) -> tuple[str, list[Any]]:
    """Each state's newest in the order of its index, then the newest of those together."""
    pieces = []
    for state in states:
        # SQLite does not see by itself that a state equal to `pending` is not `complete`, which the index asks.
        piece = _ordered("uploads_rare", [*tests, f"state = '{state.value}'", "state <> 'complete'"])
        pieces.append(f"SELECT * FROM ({piece})")
    together = f"{' UNION ALL '.join(pieces)} ORDER BY created_at DESC, id DESC LIMIT ?"
    return together, [*[*values, limit] * len(states), limit]
