-- Steps in the order in which they were applied: a tick has a time, a transaction has its bytes.
CREATE TABLE log (
    position INTEGER PRIMARY KEY,
    now_ms INTEGER,
    transaction_bytes BLOB,
    CHECK ((now_ms IS NULL) != (transaction_bytes IS NULL))
) STRICT;

-- Signed headers: what a replay must come to again.
CREATE TABLE view (
    serial INTEGER PRIMARY KEY,
    signed_header BLOB NOT NULL
) STRICT;

-- The state after `position`, taken when the newest view was all that it says.
CREATE TABLE snapshot (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    position INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT;
