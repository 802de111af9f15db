-- What the agent of each item last told of itself: its server is a process of its own, the daemon reads it here.

CREATE TABLE progress (
    item     TEXT PRIMARY KEY,
    pipeline INTEGER NOT NULL,
    percent  INTEGER CHECK (percent BETWEEN 0 AND 100),
    words    TEXT,
    at       TEXT NOT NULL
) STRICT;
