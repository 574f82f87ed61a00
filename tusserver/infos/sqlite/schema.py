"""The tables of the SQLite database, as the list of steps that lead to them.

A step that was released never changes: a database remembers in `user_version` how many it went through.
"""

from __future__ import annotations

# Times are microseconds since 1970 UTC. Each index but the first two holds only the rows its one question can name,
# so a write touches few of them.
_VERSION_1 = (
    """
    CREATE TABLE uploads (
        id TEXT PRIMARY KEY NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        length INTEGER,
        "offset" INTEGER NOT NULL,
        state TEXT NOT NULL,
        kind TEXT NOT NULL,
        parts TEXT,
        concat TEXT,
        metadata TEXT,
        owner TEXT,
        filename TEXT,
        content_type TEXT,
        expires_at INTEGER,
        completed_at INTEGER,
        unverified INTEGER NOT NULL,
        final_key INTEGER
    )
    """,
    "CREATE INDEX uploads_newest ON uploads (created_at, id) WHERE kind <> 'partial'",
    "CREATE INDEX uploads_rare ON uploads (state, created_at, id) WHERE kind <> 'partial' AND state <> 'complete'",
    "CREATE INDEX uploads_owner ON uploads (owner, created_at, id) WHERE kind <> 'partial' AND owner IS NOT NULL",
    "CREATE INDEX uploads_name ON uploads (filename, created_at, id) WHERE kind <> 'partial' AND filename IS NOT NULL",
    "CREATE INDEX uploads_expiring ON uploads (expires_at, id) WHERE expires_at IS NOT NULL",
    "CREATE INDEX uploads_finished ON uploads (completed_at, id) WHERE state = 'complete'",
    "CREATE INDEX uploads_unfinished ON uploads (id) WHERE state IN ('pending', 'receiving')",
    "CREATE INDEX uploads_final ON uploads (final_key) WHERE final_key IS NOT NULL",
    # Which finals name a part. Triggers keep it true whatever writes the table.
    "CREATE TABLE parts (part TEXT NOT NULL, final TEXT NOT NULL, PRIMARY KEY (part, final)) WITHOUT ROWID",
    """
    CREATE TRIGGER parts_created AFTER INSERT ON uploads WHEN new.parts IS NOT NULL BEGIN
        INSERT OR IGNORE INTO parts SELECT value, new.id FROM json_each(new.parts);
    END
    """,
    """
    CREATE TRIGGER parts_saved AFTER UPDATE OF parts ON uploads WHEN new.parts IS NOT old.parts BEGIN
        DELETE FROM parts WHERE final = old.id AND part IN (SELECT value FROM json_each(old.parts));
        INSERT OR IGNORE INTO parts SELECT value, new.id FROM json_each(new.parts);
    END
    """,
    """
    CREATE TRIGGER parts_deleted AFTER DELETE ON uploads WHEN old.parts IS NOT NULL BEGIN
        DELETE FROM parts WHERE final = old.id AND part IN (SELECT value FROM json_each(old.parts));
    END
    """,
)

STEPS: tuple[tuple[str, ...], ...] = (_VERSION_1,)
VERSION = len(STEPS)
