-- The daemon's memory: the steps that it has finished, what people ask of it, and the items that it has in hand.

CREATE TABLE journal (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    item     TEXT NOT NULL,
    pipeline INTEGER NOT NULL,                 -- fence of the claim under which the item was taken up
    step     TEXT NOT NULL,
    result   TEXT NOT NULL CHECK (json_valid(result)),
    fence    INTEGER NOT NULL,                 -- of the claim that did this step
    at       TEXT NOT NULL,
    UNIQUE (pipeline, step)
) STRICT;
CREATE INDEX journal_item ON journal (item, pipeline);

CREATE TABLE controls (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL CHECK (kind IN ('stop', 'pause', 'resume', 'skip', 'retry')),
    daemon   TEXT,                             -- NULL: all
    item     TEXT,
    how      TEXT CHECK (how IN ('after-step', 'after-item', 'force')),
    reason   TEXT,
    asked_by TEXT NOT NULL,
    at       TEXT NOT NULL
) STRICT;
CREATE INDEX controls_item ON controls (item, id);

CREATE TABLE control_replies (
    control INTEGER NOT NULL REFERENCES controls (id) ON DELETE CASCADE,
    daemon  TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at      TEXT NOT NULL,
    PRIMARY KEY (control, daemon)
) STRICT;

ALTER TABLE heartbeats ADD COLUMN jobs TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(jobs));
ALTER TABLE heartbeats ADD COLUMN started_at TEXT;
