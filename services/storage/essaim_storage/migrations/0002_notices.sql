-- Expiry records and slot marks; until when an envelope stays beside its first expiry; what each mailbox holds by kind.
ALTER TABLE mailbox ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;          -- the first byte of the policy
ALTER TABLE mailbox ADD COLUMN notice_bytes INTEGER NOT NULL DEFAULT 0;  -- of tombstones, expiry records and slot marks
UPDATE mailbox SET kind = CAST(hex(substr(policy, 1, 1)) AS INTEGER);

DROP TRIGGER record_gone;
ALTER TABLE record RENAME TO record_before;
DROP INDEX record_by_id;
DROP INDEX record_by_mailbox;
DROP INDEX record_by_expiry;
DROP INDEX record_coordinated;
CREATE TABLE record (
  number INTEGER PRIMARY KEY,
  record_id BLOB NOT NULL,
  mailbox INTEGER NOT NULL,
  kind INTEGER NOT NULL,              -- 0 envelope, 1 Confirm, 2 Delete, 3 DeleteBefore, 4 DeleteAll, 5 Expire, 6 DropSlot
  slot BLOB NOT NULL,
  expires_ms INTEGER NOT NULL,        -- of an envelope the first
  version INTEGER NOT NULL,           -- of a DeleteBefore its time, of an Expire the new expiry
  size INTEGER NOT NULL,
  coordinated INTEGER NOT NULL,
  proof BLOB NOT NULL,                -- time, nonce, signature, slot record; of an unsigned envelope the time alone
  sum BLOB NOT NULL,                  -- BLAKE2b-128 of all but data
  data_sum BLOB NOT NULL,             -- BLAKE2b-128 of data
  until_ms INTEGER NOT NULL,          -- when it goes
  data BLOB NOT NULL                  -- of an envelope its bytes, of a tombstone or expiry record the ids
);
INSERT INTO record
  SELECT number, record_id, mailbox, kind, slot, expires_ms, version, size, coordinated, proof, sum, data_sum, expires_ms, data
  FROM record_before ORDER BY number;
DROP TABLE record_before;
CREATE UNIQUE INDEX record_by_id ON record (record_id);
CREATE INDEX record_by_mailbox ON record (mailbox, number) WHERE kind = 0;
CREATE INDEX record_by_until ON record (until_ms);
CREATE INDEX record_coordinated ON record (coordinated, number) WHERE coordinated = 1;
CREATE INDEX record_special ON record (mailbox) WHERE kind IN (3, 4, 6);  -- looked at for every envelope of the mailbox

UPDATE mailbox SET notice_bytes =
  (SELECT coalesce(sum(512 + length(data)), 0) FROM record WHERE record.mailbox = mailbox.id AND record.kind != 0);

CREATE TRIGGER record_gone AFTER DELETE ON record BEGIN
  UPDATE mailbox SET bytes = bytes - OLD.size, envelopes = envelopes - (OLD.kind = 0), records = records - 1,
    notice_bytes = notice_bytes - iif(OLD.kind = 0, 0, 512 + length(OLD.data)) WHERE id = OLD.mailbox;
  DELETE FROM mailbox WHERE id = OLD.mailbox AND records = 0;
  DELETE FROM removal WHERE number = OLD.number AND OLD.kind != 0;
END;

-- Bytes of all blobs: their budget is their own.
CREATE TABLE blobs (bytes INTEGER NOT NULL);
INSERT INTO blobs SELECT coalesce(sum(bytes), 0) FROM mailbox WHERE kind = 5;
CREATE TRIGGER blob_new AFTER INSERT ON mailbox WHEN NEW.kind = 5 BEGIN
  UPDATE blobs SET bytes = bytes + NEW.bytes;
END;
CREATE TRIGGER blob_changed AFTER UPDATE OF bytes ON mailbox WHEN NEW.kind = 5 BEGIN
  UPDATE blobs SET bytes = bytes + NEW.bytes - OLD.bytes;
END;
