-- The analytics database: what each attempt of an agent did and took. Times as in the shared database.

CREATE TABLE runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    item       TEXT NOT NULL,
    daemon     TEXT NOT NULL,
    agent      TEXT NOT NULL,
    branch     TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at   TEXT,
    outcome    TEXT CHECK (outcome IN ('complete', 'manual_review', 'failed', 'lost')),
    detail     TEXT,
    exit_code  INTEGER,
    commit_id  TEXT
) STRICT;
CREATE INDEX runs_item ON runs (item, id);
