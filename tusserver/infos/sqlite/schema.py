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

# The two halves of a sum never overflow. No owner is an empty blob, which is no text.
_COUNT = """
    INSERT INTO totals VALUES (
        ifnull({row}.owner, x''),
        {sign} (ifnull({row}.length, 0) >> 32),
        {sign} (ifnull({row}.length, 0) & 0xffffffff),
        {sign} ({row}.length IS NULL),
        {sign} ({row}.state IN ('pending', 'receiving'))
    ) ON CONFLICT (owner) DO UPDATE SET
        high = high + excluded.high, low = low + excluded.low,
        unknown = unknown + excluded.unknown, open = open + excluded.open;
"""
_ADD, _SUBTRACT = _COUNT.format(row="new", sign="+"), _COUNT.format(row="old", sign="-")

# Who may sign in, upload links, what one owner has. No index of all uploads is added, for each makes a creation a fifth
# dearer; those there are made wider, so that what does not match is passed over without a look at its record.
_VERSION_2 = (
    "ALTER TABLE uploads ADD COLUMN link TEXT",
    "ALTER TABLE uploads ADD COLUMN checksum TEXT",
    "ALTER TABLE uploads ADD COLUMN overwrites INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE uploads ADD COLUMN last_chunk TEXT",
    "ALTER TABLE uploads ADD COLUMN announce TEXT",
    "DROP INDEX uploads_newest",
    "DROP INDEX uploads_rare",
    "DROP INDEX uploads_owner",
    "DROP INDEX uploads_name",
    "DROP INDEX uploads_unfinished",
    "CREATE INDEX uploads_newest ON uploads (created_at, id, owner, kind)",
    """
    CREATE INDEX uploads_rare ON uploads (state, created_at, id, owner, filename)
        WHERE kind <> 'partial' AND state <> 'complete'
    """,
    "CREATE INDEX uploads_owner ON uploads (owner, created_at, id, kind) WHERE owner IS NOT NULL",
    """
    CREATE INDEX uploads_name ON uploads (filename, created_at, id, owner)
        WHERE kind <> 'partial' AND filename IS NOT NULL
    """,
    "CREATE INDEX uploads_unfinished ON uploads (id, owner) WHERE state IN ('pending', 'receiving')",
    """
    CREATE INDEX uploads_announcing ON uploads (completed_at, id) WHERE announce IS NOT NULL AND state = 'complete'
    """,
    # What an owner's uploads come to: a sum over all of them at each creation takes longer than the creation. Triggers
    # keep it true whatever writes the table.
    """
    CREATE TABLE totals (
        owner PRIMARY KEY NOT NULL,
        high INTEGER NOT NULL,
        low INTEGER NOT NULL,
        unknown INTEGER NOT NULL,
        open INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    """
    INSERT INTO totals
        SELECT ifnull(owner, x''), sum(ifnull(length, 0) >> 32), sum(ifnull(length, 0) & 0xffffffff),
            sum(length IS NULL), sum(state IN ('pending', 'receiving'))
        FROM uploads GROUP BY 1
    """,
    f"CREATE TRIGGER totals_created AFTER INSERT ON uploads BEGIN {_ADD} END",
    f"CREATE TRIGGER totals_deleted AFTER DELETE ON uploads BEGIN {_SUBTRACT} END",
    f"""
    CREATE TRIGGER totals_saved AFTER UPDATE OF length, state, owner ON uploads
        WHEN new.length IS NOT old.length OR new.owner IS NOT old.owner
            OR (new.state IN ('pending', 'receiving')) <> (old.state IN ('pending', 'receiving'))
        BEGIN {_SUBTRACT} {_ADD} END
    """,
    """
    CREATE TABLE users (
        name TEXT PRIMARY KEY NOT NULL,
        password TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE links (
        id TEXT PRIMARY KEY NOT NULL,
        owner TEXT,
        created_at INTEGER NOT NULL,
        max_size INTEGER,
        types TEXT NOT NULL,
        max_uploads INTEGER,
        uploads INTEGER NOT NULL,
        expires_at INTEGER,
        announce TEXT
    )
    """,
    "CREATE INDEX links_owner ON links (owner, created_at, id)",
)

# Facts of finished uploads. Those that nobody looked at yet are found in the index of all that are complete, so that a
# completion writes no index more.
_VERSION_3 = (
    "ALTER TABLE uploads ADD COLUMN announce_key TEXT",
    "ALTER TABLE uploads ADD COLUMN types TEXT",
    "ALTER TABLE uploads ADD COLUMN crc32 INTEGER",
    "ALTER TABLE uploads ADD COLUMN stored_filename TEXT",
    "ALTER TABLE uploads ADD COLUMN image TEXT",
    "ALTER TABLE links ADD COLUMN announce_key TEXT",
    "DROP INDEX uploads_finished",
    """
    CREATE INDEX uploads_finished ON uploads (crc32 IS NULL AND kind <> 'partial', completed_at, id)
        WHERE state = 'complete'
    """,
    "CREATE UNIQUE INDEX uploads_stored ON uploads (stored_filename) WHERE stored_filename IS NOT NULL",
    """
    CREATE INDEX uploads_images ON uploads (owner, created_at, id)
        WHERE stored_filename IS NOT NULL AND kind <> 'partial'
    """,
    """
    CREATE INDEX uploads_newest_images ON uploads (created_at, id)
        WHERE stored_filename IS NOT NULL AND kind <> 'partial'
    """,
)

STEPS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2, _VERSION_3)
VERSION = len(STEPS)
