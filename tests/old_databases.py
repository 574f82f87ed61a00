"""Databases as earlier versions wrote them, as `.dump` of the sqlite3 program tells it."""

from __future__ import annotations

VERSION_1 = """
BEGIN TRANSACTION;
CREATE TABLE parts (part TEXT NOT NULL, final TEXT NOT NULL, PRIMARY KEY (part, final)) WITHOUT ROWID;
INSERT INTO parts VALUES('2222222222222222222222','3333333333333333333333');
INSERT INTO parts VALUES('4444444444444444444444','3333333333333333333333');
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
    );
INSERT INTO uploads VALUES (
    '0000000000000000000000', 1767323045678901, 1767323045678901, 5, 0, 'pending', 'regular',
    NULL, NULL, 'filename YS50eHQ=', 'ann', 'a.txt', NULL, NULL, NULL, 0, NULL
);
INSERT INTO uploads VALUES (
    '1111111111111111111111', 1767323045678901, 1767323054678901, 10, 10, 'complete', 'regular',
    NULL, NULL, NULL, NULL, X'EDB3BF', 'text/plain', NULL, 1767323054678901, 0, NULL
);
INSERT INTO uploads VALUES (
    '2222222222222222222222', 1767323045678901, 1767323045678901, NULL, 3, 'receiving', 'partial',
    NULL, NULL, NULL, NULL, NULL, NULL, 1767927845678901, NULL, 1, NULL
);
INSERT INTO uploads VALUES (
    '3333333333333333333333', 1767323045678901, 1767323045678901, 9223372036854775807, 0, 'failed', 'final',
    '["2222222222222222222222", "4444444444444444444444"]', 'final;/files/2 /files/4',
    NULL, NULL, NULL, NULL, NULL, NULL, 0, 6345596210294420075
);
CREATE INDEX uploads_newest ON uploads (created_at, id) WHERE kind <> 'partial';
CREATE INDEX uploads_rare ON uploads (state, created_at, id) WHERE kind <> 'partial' AND state <> 'complete';
CREATE INDEX uploads_owner ON uploads (owner, created_at, id) WHERE kind <> 'partial' AND owner IS NOT NULL;
CREATE INDEX uploads_name ON uploads (filename, created_at, id) WHERE kind <> 'partial' AND filename IS NOT NULL;
CREATE INDEX uploads_expiring ON uploads (expires_at, id) WHERE expires_at IS NOT NULL;
CREATE INDEX uploads_finished ON uploads (completed_at, id) WHERE state = 'complete';
CREATE INDEX uploads_unfinished ON uploads (id) WHERE state IN ('pending', 'receiving');
CREATE INDEX uploads_final ON uploads (final_key) WHERE final_key IS NOT NULL;
CREATE TRIGGER parts_created AFTER INSERT ON uploads WHEN new.parts IS NOT NULL BEGIN
        INSERT OR IGNORE INTO parts SELECT value, new.id FROM json_each(new.parts);
    END;
CREATE TRIGGER parts_saved AFTER UPDATE OF parts ON uploads WHEN new.parts IS NOT old.parts BEGIN
        DELETE FROM parts WHERE final = old.id AND part IN (SELECT value FROM json_each(old.parts));
        INSERT OR IGNORE INTO parts SELECT value, new.id FROM json_each(new.parts);
    END;
CREATE TRIGGER parts_deleted AFTER DELETE ON uploads WHEN old.parts IS NOT NULL BEGIN
        DELETE FROM parts WHERE final = old.id AND part IN (SELECT value FROM json_each(old.parts));
    END;
COMMIT;
PRAGMA user_version = 1;
"""

VERSION_2 = """
BEGIN TRANSACTION;
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
    );
INSERT INTO links VALUES(
    'llllllllllllllllllllll', 'ann', 1767323045678901, 10, '["image/*"]', 3, 1, NULL, 'https://example.com/heard'
);
CREATE TABLE parts (part TEXT NOT NULL, final TEXT NOT NULL, PRIMARY KEY (part, final)) WITHOUT ROWID;
CREATE TABLE totals (
        owner PRIMARY KEY NOT NULL,
        high INTEGER NOT NULL,
        low INTEGER NOT NULL,
        unknown INTEGER NOT NULL,
        open INTEGER NOT NULL
    ) WITHOUT ROWID;
INSERT INTO totals VALUES('ann',0,10,0,0);
INSERT INTO totals VALUES(x'',0,3,0,0);
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
    , link TEXT, checksum TEXT, overwrites INTEGER NOT NULL DEFAULT 0, last_chunk TEXT, announce TEXT);
INSERT INTO uploads VALUES (
    '5555555555555555555555', 1767323045678901, 1767323054678901, 10, 10, 'complete', 'regular',
    NULL, NULL, NULL, 'ann', 'b.txt', NULL, NULL, 1767323054678901, 0, NULL,
    'llllllllllllllllllllll', 'md5:00', 1, '3 0 10', 'https://example.com/heard'
);
INSERT INTO uploads VALUES (
    '6666666666666666666666', 1767323045678901, 1767323052678901, 3, 3, 'complete', 'partial',
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1767323052678901, 0, NULL, NULL, NULL, 0, NULL, NULL
);
CREATE TABLE users (
        name TEXT PRIMARY KEY NOT NULL,
        password TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) WITHOUT ROWID;
CREATE INDEX uploads_expiring ON uploads (expires_at, id) WHERE expires_at IS NOT NULL;
CREATE INDEX uploads_finished ON uploads (completed_at, id) WHERE state = 'complete';
CREATE INDEX uploads_final ON uploads (final_key) WHERE final_key IS NOT NULL;
CREATE TRIGGER parts_created AFTER INSERT ON uploads WHEN new.parts IS NOT NULL BEGIN
        INSERT OR IGNORE INTO parts SELECT value, new.id FROM json_each(new.parts);
    END;
CREATE TRIGGER parts_saved AFTER UPDATE OF parts ON uploads WHEN new.parts IS NOT old.parts BEGIN
        DELETE FROM parts WHERE final = old.id AND part IN (SELECT value FROM json_each(old.parts));
        INSERT OR IGNORE INTO parts SELECT value, new.id FROM json_each(new.parts);
    END;
CREATE TRIGGER parts_deleted AFTER DELETE ON uploads WHEN old.parts IS NOT NULL BEGIN
        DELETE FROM parts WHERE final = old.id AND part IN (SELECT value FROM json_each(old.parts));
    END;
CREATE INDEX uploads_newest ON uploads (created_at, id, owner, kind);
CREATE INDEX uploads_rare ON uploads (state, created_at, id, owner, filename)
        WHERE kind <> 'partial' AND state <> 'complete';
CREATE INDEX uploads_owner ON uploads (owner, created_at, id, kind) WHERE owner IS NOT NULL;
CREATE INDEX uploads_name ON uploads (filename, created_at, id, owner)
        WHERE kind <> 'partial' AND filename IS NOT NULL;
CREATE INDEX uploads_unfinished ON uploads (id, owner) WHERE state IN ('pending', 'receiving');
CREATE INDEX uploads_announcing ON uploads (completed_at, id) WHERE announce IS NOT NULL AND state = 'complete';
CREATE TRIGGER totals_created AFTER INSERT ON uploads BEGIN
    INSERT INTO totals VALUES (
        ifnull(new.owner, x''),
        + (ifnull(new.length, 0) >> 32),
        + (ifnull(new.length, 0) & 0xffffffff),
        + (new.length IS NULL),
        + (new.state IN ('pending', 'receiving'))
    ) ON CONFLICT (owner) DO UPDATE SET
        high = high + excluded.high, low = low + excluded.low,
        unknown = unknown + excluded.unknown, open = open + excluded.open;
 END;
CREATE TRIGGER totals_deleted AFTER DELETE ON uploads BEGIN
    INSERT INTO totals VALUES (
        ifnull(old.owner, x''),
        - (ifnull(old.length, 0) >> 32),
        - (ifnull(old.length, 0) & 0xffffffff),
        - (old.length IS NULL),
        - (old.state IN ('pending', 'receiving'))
    ) ON CONFLICT (owner) DO UPDATE SET
        high = high + excluded.high, low = low + excluded.low,
        unknown = unknown + excluded.unknown, open = open + excluded.open;
 END;
CREATE TRIGGER totals_saved AFTER UPDATE OF length, state, owner ON uploads
        WHEN new.length IS NOT old.length OR new.owner IS NOT old.owner
            OR (new.state IN ('pending', 'receiving')) <> (old.state IN ('pending', 'receiving'))
        BEGIN
    INSERT INTO totals VALUES (
        ifnull(old.owner, x''),
        - (ifnull(old.length, 0) >> 32),
        - (ifnull(old.length, 0) & 0xffffffff),
        - (old.length IS NULL),
        - (old.state IN ('pending', 'receiving'))
    ) ON CONFLICT (owner) DO UPDATE SET
        high = high + excluded.high, low = low + excluded.low,
        unknown = unknown + excluded.unknown, open = open + excluded.open;

    INSERT INTO totals VALUES (
        ifnull(new.owner, x''),
        + (ifnull(new.length, 0) >> 32),
        + (ifnull(new.length, 0) & 0xffffffff),
        + (new.length IS NULL),
        + (new.state IN ('pending', 'receiving'))
    ) ON CONFLICT (owner) DO UPDATE SET
        high = high + excluded.high, low = low + excluded.low,
        unknown = unknown + excluded.unknown, open = open + excluded.open;
 END;
CREATE INDEX links_owner ON links (owner, created_at, id);
COMMIT;
PRAGMA user_version = 2;
"""
