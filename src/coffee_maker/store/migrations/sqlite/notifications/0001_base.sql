-- The shared database: what was recorded, said, asked, answered and claimed.
-- Times are UTC text of fixed width ('2026-01-02T03:04:05.123456Z'), so that they sort as they are.
-- JSON is text. Numbers that people and programs use as cursors are never used twice (AUTOINCREMENT).

CREATE TABLE roadmap_versions (
    digest   TEXT PRIMARY KEY,                 -- sha256 of the content, hexadecimal
    content  BLOB NOT NULL,                    -- zlib
    size     INTEGER NOT NULL,                 -- bytes, uncompressed
    saved_at TEXT NOT NULL,
    turn     INTEGER NOT NULL                  -- grows with every saving: the order where times are equal
) STRICT;
CREATE INDEX roadmap_versions_turn ON roadmap_versions (turn);

CREATE TABLE roadmap_state (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    hash    TEXT NOT NULL,                     -- of the last recorded version
    pending TEXT,                              -- file through which it goes into place
    before  TEXT                               -- the hash that it replaces
) STRICT;

CREATE TABLE roadmap_history (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at          TEXT NOT NULL,
    changed_by  TEXT NOT NULL,
    change_type TEXT NOT NULL
        CHECK (change_type IN ('add', 'update', 'delete', 'status_change', 'move', 'restore')),
    item        TEXT,
    old_value   TEXT,                          -- what a person reads: status, field value, title
    new_value   TEXT,
    old_text    BLOB,                          -- the item's whole text, zlib: what undo works from
    new_text    BLOB,
    diff        TEXT NOT NULL,
    reason      TEXT,
    before_hash TEXT NOT NULL,                 -- equals the previous row's after_hash
    after_hash  TEXT NOT NULL,
    undoes      INTEGER REFERENCES roadmap_history (id)
) STRICT;
CREATE INDEX roadmap_history_item ON roadmap_history (item, id);

CREATE TABLE notifications (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    source          TEXT NOT NULL CHECK (source IN ('daemon', 'project_manager')),
    type            TEXT NOT NULL CHECK (type IN ('question', 'status', 'alert', 'info')),
    level           TEXT NOT NULL CHECK (level IN ('critical', 'high', 'normal', 'low')),
    title           TEXT NOT NULL,
    message         TEXT NOT NULL,
    context         TEXT NOT NULL CHECK (json_valid(context)),
    item            TEXT,
    options         TEXT NOT NULL CHECK (json_valid(options)),
    status          TEXT NOT NULL
        CHECK (status IN ('pending', 'sent', 'responded', 'expired', 'dismissed', 'failed')),
    answer          TEXT,
    answered_by     TEXT,
    answered_via    TEXT,
    answered_at     TEXT,
    deadline        TEXT,
    default_answer  TEXT,                      -- taken at the deadline; without one the question only expires
    idempotency_key TEXT UNIQUE,
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    CHECK ((answer IS NULL) = (answered_at IS NULL))
) STRICT;
CREATE INDEX notifications_status ON notifications (status, deadline);
CREATE INDEX notifications_item ON notifications (item, id);

CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    notification_id INTEGER NOT NULL REFERENCES notifications (id) ON DELETE CASCADE,
    channel         TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts        INTEGER NOT NULL,
    next_try        TEXT NOT NULL,
    error           TEXT,
    outside_id      TEXT,
    updated_at      TEXT NOT NULL,
    UNIQUE (notification_id, channel)
) STRICT;
CREATE INDEX deliveries_due ON deliveries (state, next_try);

CREATE TABLE slack_interactions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT NOT NULL CHECK (kind IN ('button', 'command', 'message')),
    outside_id      TEXT NOT NULL UNIQUE,      -- Slack's own id, so that a repeated delivery is one row
    notification_id INTEGER REFERENCES notifications (id) ON DELETE SET NULL,
    person          TEXT NOT NULL,
    payload         TEXT NOT NULL CHECK (json_valid(payload)),
    received_at     TEXT NOT NULL,
    handled_at      TEXT,
    outcome         TEXT
) STRICT;

CREATE TABLE claims (
    fence    INTEGER PRIMARY KEY AUTOINCREMENT, -- one row per claim ever made, so the number grows for ever
    item     TEXT NOT NULL,
    owner    TEXT NOT NULL,
    until    TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('held', 'released', 'lost'))
) STRICT;
CREATE UNIQUE INDEX claims_held ON claims (item) WHERE state = 'held';

CREATE TABLE heartbeats (
    daemon  TEXT PRIMARY KEY,
    host    TEXT NOT NULL,
    pid     INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    state   TEXT NOT NULL CHECK (state IN ('idle', 'working', 'waiting', 'paused', 'stopping')),
    item    TEXT,
    step    TEXT,
    at      TEXT NOT NULL,
    seen    TEXT NOT NULL CHECK (json_valid(seen))
) STRICT;

CREATE TABLE handshakes (
    nonce    TEXT PRIMARY KEY,
    asked_at TEXT NOT NULL
) STRICT;

CREATE TABLE handshake_replies (
    nonce      TEXT NOT NULL REFERENCES handshakes (nonce) ON DELETE CASCADE,
    daemon     TEXT NOT NULL,
    seen       TEXT NOT NULL CHECK (json_valid(seen)),
    replied_at TEXT NOT NULL,
    PRIMARY KEY (nonce, daemon)
) STRICT;
