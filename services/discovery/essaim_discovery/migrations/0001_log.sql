-- The log since the snapshot: applied transactions, and the ticks between them.
CREATE TABLE log (
  number INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,              -- 0 tick, 1 resume, 2 transaction
  now_ms INTEGER NOT NULL,            -- of ticks and resumes; 0 for a transaction
  signed BLOB NOT NULL                -- a SignedTransaction; empty for ticks and resumes
);

-- One row: the state that the log continues.
CREATE TABLE snapshot (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  state BLOB NOT NULL
);

-- The last views. A header is here before any authority signs it: no other one is ever signed for its serial.
CREATE TABLE view (
  epoch INTEGER NOT NULL,
  serial INTEGER NOT NULL,
  header BLOB NOT NULL,
  signed BLOB,                        -- a SignedHeader; NULL until signed
  whole INTEGER NOT NULL,             -- 1: content is a WholeView, 0: a ViewDiff since the serial before; no headers in it
  content BLOB NOT NULL,
  PRIMARY KEY (epoch, serial)
) WITHOUT ROWID;
