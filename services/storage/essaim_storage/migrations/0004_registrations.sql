-- Registrations (kind 7): whom to wake for envelopes of a device slot. `version` is the day.
CREATE INDEX record_registered ON record (mailbox, slot, version) WHERE kind = 7;

-- No wake is owed for an envelope that arrived up to this number.
ALTER TABLE node ADD COLUMN woken INTEGER NOT NULL DEFAULT 0;
