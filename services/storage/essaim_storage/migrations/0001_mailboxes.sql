-- What this node is: one row.
CREATE TABLE node (
  incarnation BLOB NOT NULL,
  starts INTEGER NOT NULL,            -- grows with every start; the marker beside the database has the same (incarnation.py)
  settled INTEGER NOT NULL,
  last_number INTEGER NOT NULL        -- highest arrival number ever given
);

-- A mailbox for as long as a record of it is here.
CREATE TABLE mailbox (
  id INTEGER PRIMARY KEY,
  mailbox_id BLOB NOT NULL UNIQUE,
  policy BLOB NOT NULL,
  bytes INTEGER NOT NULL,             -- of envelope data
  envelopes INTEGER NOT NULL,
  records INTEGER NOT NULL            -- envelopes and tombstones
);

-- Envelopes and tombstones in arrival order. A rowid table with the data last: random ids stay in one index of their own.
CREATE TABLE record (
  number INTEGER PRIMARY KEY,
  record_id BLOB NOT NULL,
  mailbox INTEGER NOT NULL,
  kind INTEGER NOT NULL,              -- 0 envelope, 1 Confirm, 2 Delete
  slot BLOB NOT NULL,
  expires_ms INTEGER NOT NULL,
  version INTEGER NOT NULL,
  size INTEGER NOT NULL,
  coordinated INTEGER NOT NULL,
  proof BLOB NOT NULL,                -- time, nonce, signature, slot record
  sum BLOB NOT NULL,                  -- BLAKE2b-128 of all but data
  data_sum BLOB NOT NULL,             -- BLAKE2b-128 of data
  data BLOB NOT NULL                  -- of an envelope its bytes, of a tombstone the ids
);
CREATE UNIQUE INDEX record_by_id ON record (record_id);
CREATE INDEX record_by_mailbox ON record (mailbox, number) WHERE kind = 0;
CREATE INDEX record_by_expiry ON record (expires_ms);
CREATE INDEX record_coordinated ON record (coordinated, number) WHERE coordinated = 1;

-- Which tombstones name an envelope.
CREATE TABLE removal (
  envelope_id BLOB NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (envelope_id, number)
) WITHOUT ROWID;
CREATE INDEX removal_by_number ON removal (number);

CREATE TRIGGER record_gone AFTER DELETE ON record BEGIN
  UPDATE mailbox SET bytes = bytes - OLD.size, envelopes = envelopes - (OLD.kind = 0), records = records - 1
    WHERE id = OLD.mailbox;
  DELETE FROM mailbox WHERE id = OLD.mailbox AND records = 0;
  DELETE FROM removal WHERE number = OLD.number AND OLD.kind != 0;
END;

-- How far each member has what this node coordinates.
CREATE TABLE position (
  member BLOB PRIMARY KEY,
  number INTEGER NOT NULL
) WITHOUT ROWID;

-- One-time prekeys for this node alone, and whom they went to.
CREATE TABLE prekey_batch (
  id INTEGER PRIMARY KEY,
  mailbox_id BLOB NOT NULL,
  slot BLOB NOT NULL,
  version INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  UNIQUE (mailbox_id, slot)
);
CREATE INDEX prekey_batch_by_expiry ON prekey_batch (expires_ms);
CREATE TABLE prekey (
  batch INTEGER NOT NULL REFERENCES prekey_batch (id) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  claim_id BLOB,                      -- NULL: unused
  sum BLOB NOT NULL,                  -- BLAKE2b-128 of the prekey
  prekey BLOB NOT NULL,
  PRIMARY KEY (batch, place)
);
CREATE UNIQUE INDEX prekey_by_claim ON prekey (batch, claim_id) WHERE claim_id IS NOT NULL;
