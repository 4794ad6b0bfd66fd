-- Which mailbox an envelope lies in; empty: the public inbox.
ALTER TABLE envelope ADD COLUMN mailbox BLOB NOT NULL DEFAULT x'';
CREATE INDEX envelope_unconfirmed ON envelope (mailbox) WHERE NOT confirmed;

-- Whose device an envelope is for; seed of the key that signs when it is stored (empty: none); the mailbox day of its
-- private inbox (0: another mailbox).
ALTER TABLE outgoing ADD COLUMN recipient BLOB NOT NULL DEFAULT x'';
ALTER TABLE outgoing ADD COLUMN writer BLOB NOT NULL DEFAULT x'';
ALTER TABLE outgoing ADD COLUMN day INTEGER NOT NULL DEFAULT 0;

-- What others gave so that this account writes to their private inbox, and when they last said something, by their clock.
CREATE TABLE private_inbox (account BLOB PRIMARY KEY, capability BLOB NOT NULL, heard_ms INTEGER NOT NULL) STRICT;

-- Devices that said later than that inbox was made that they read another one.
CREATE TABLE astray (
    account BLOB NOT NULL,
    slot INTEGER NOT NULL,
    said_ms INTEGER NOT NULL,
    PRIMARY KEY (account, slot)
) STRICT;

-- Mailboxes of days that are over, and when each was last read to its end.
CREATE TABLE day_read (mailbox BLOB PRIMARY KEY, read_ms INTEGER NOT NULL) STRICT;
