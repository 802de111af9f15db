-- What the agent of each item last told of itself: its server is a process of its own, the daemon reads it here.

CREATE TABLE progress (
    item     text COLLATE "C" PRIMARY KEY,
    pipeline bigint NOT NULL,
    percent  bigint CHECK (percent BETWEEN 0 AND 100),
    words    text COLLATE "C",
    at       text COLLATE "C" NOT NULL
);
