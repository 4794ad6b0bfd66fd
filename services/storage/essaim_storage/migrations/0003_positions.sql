-- Where a mailbox is on the ring: its position less 2^63, so that order is kept. (NULL is filled in at the next start.)
ALTER TABLE mailbox ADD COLUMN position INTEGER;
CREATE INDEX mailbox_by_position ON mailbox (position);

-- A mailbox's records, tombstones too, by this index alone.
DROP INDEX record_by_mailbox;
CREATE INDEX record_by_mailbox ON record (mailbox, number, kind, record_id);

-- Writes of members under a view older than this are refused.
ALTER TABLE node ADD COLUMN adopted INTEGER NOT NULL DEFAULT 0;
