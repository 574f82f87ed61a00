"""The acts that write a record. Each answers before it has written anything, or does all of it."""

from __future__ import annotations

import sqlite3

from tusserver.infos.base import UNFINISHED, Latest, NameTaken, Quota
from tusserver.infos.cursors import to_micros
from tusserver.infos.sqlite import queries
from tusserver.infos.sqlite.database import changing
from tusserver.infos.sqlite.quotas import over_link, over_quota
from tusserver.infos.sqlite.rows import facts_row, has_facts, same_final_row, to_row, to_text
from tusserver.infos.sqlite.writer import Act
from tusserver.protocol.errors import BackendError, Conflict, NotFound
from tusserver.protocol.uploads import Facts, Kind, State, Upload


def adding(upload: Upload, quota: Quota | None) -> Act:
    """Make a record, and count it at its link."""
    add = changing(to_row(upload), queries.CREATE, missed=Conflict(f"upload {upload.id} exists already"))
    is_named = upload.kind is Kind.FINAL and upload.concat is not None
    if quota is None and upload.link is None and not has_facts(upload) and not is_named:
        return add

    def act(connection: sqlite3.Connection) -> BackendError | None:
        refusal: BackendError | None = _made(connection, upload) if is_named else None
        if refusal is None and quota is not None:
            refusal = over_quota(connection, upload, quota)
        refusal = refusal or over_link(connection, upload) or _taken(connection, upload) or add(connection)
        if refusal is None and has_facts(upload):
            refusal = _learning(queries.LEARN, upload.id, upload.facts)(connection)
        if refusal is None and upload.link is not None:
            connection.execute(queries.COUNT_AT_LINK, (upload.link,))
        return refusal

    return act


def _made(connection: sqlite3.Connection, upload: Upload) -> BackendError | None:
    found = connection.execute(queries.FATE_OF_SAME_FINAL, same_final_row(upload)).fetchone()
    if found is None:
        return None
    state, expires_at = found
    is_over = state == State.FAILED.value or (expires_at is not None and expires_at <= to_micros(upload.created_at))
    return None if is_over else Conflict("there is the same final upload already")


def _taken(connection: sqlite3.Connection, upload: Upload) -> BackendError | None:
    image = upload.facts.image
    if image is None or not connection.execute(queries.IS_TAKEN, (to_text(image.stored_filename),)).fetchone():
        return None
    return _stored_already()


def after(latest: Latest, upload: Upload, add: Act) -> Act:
    """Make a record if nobody has begun or ended an upload of its name meanwhile."""
    question = queries.newest(upload.owner, upload.filename or "", UNFINISHED, by_link=False)

    def act(connection: sqlite3.Connection) -> BackendError | None:
        found = connection.execute(*question).fetchone()
        if latest != Latest(None if found is None else found[0]):
            return NameTaken("the upload of this filename is another one now")
        return add(connection)

    return act


def saving(upload: Upload) -> Act:
    """Replace a record."""
    save = changing(to_row(upload), *queries.SAVE, missed=not_found(upload.id))
    if not has_facts(upload):
        return save
    learn = _learning(queries.LEARN, upload.id, upload.facts)
    return lambda connection: learn(connection) or save(connection)


def noting(id: str, facts: Facts) -> Act:
    """Add facts to the record of a complete upload."""
    return _learning(queries.NOTE, id, facts)


def _learning(statement: str, id: str, facts: Facts) -> Act:
    change = changing((*facts_row(facts), id), statement, missed=not_found(id))

    def act(connection: sqlite3.Connection) -> BackendError | None:
        try:
            return change(connection)
        except sqlite3.IntegrityError as error:
            # Nothing but a stored filename is in an index that has each value once. SQLite undid the statement alone.
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
                raise
            return _stored_already()

    return act


def _stored_already() -> BackendError:
    return Conflict("another upload has this stored filename already")


def not_found(id: str) -> BackendError:
    """What is said where there is no record."""
    return NotFound(f"there is no upload {id}")
