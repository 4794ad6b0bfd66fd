-- Closed groups that this account is in or invited to. `keys` is a serialised Group with epochs and, of an admin, the
-- admin seed; `sending` the own chain (empty: none), for whom and until when; `asked_ms` when another member was last asked.
CREATE TABLE closed_group (
    group_id BLOB PRIMARY KEY,
    keys BLOB NOT NULL,
    sending BLOB NOT NULL,
    asked_ms INTEGER NOT NULL
) STRICT;

-- Their records, in an order in which each comes after those that it follows: a serialised GroupRecords of one.
CREATE TABLE group_record (
    number INTEGER PRIMARY KEY,
    group_id BLOB NOT NULL,
    record BLOB NOT NULL
) STRICT;
CREATE INDEX group_record_group ON group_record (group_id);

-- Chains of other devices; no `chain` where this device was not given it, or needs it no more.
CREATE TABLE group_chain (
    group_id BLOB NOT NULL,
    chain_id BLOB NOT NULL,
    account BLOB NOT NULL,
    slot INTEGER NOT NULL,
    signing BLOB NOT NULL,
    chain BLOB NOT NULL,
    heard_ms INTEGER NOT NULL,
    PRIMARY KEY (group_id, chain_id)
) STRICT;

-- By what others believe an entry, whoever gives it; `heads`: the newest records that its author had.
CREATE TABLE group_proof (
    group_id BLOB NOT NULL,
    author BLOB NOT NULL,
    message_id BLOB NOT NULL,
    chain_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    signature BLOB NOT NULL,
    heads BLOB NOT NULL,
    PRIMARY KEY (group_id, author, message_id)
) STRICT;

-- Frames that cannot be opened yet: their chain, or the record by which their author is a member, has not come.
CREATE TABLE group_waiting (
    number INTEGER PRIMARY KEY,
    group_id BLOB NOT NULL,
    nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;

-- How far each member of a swarm was read in a mailbox, and when.
CREATE TABLE group_cursor (
    mailbox BLOB NOT NULL,
    node BLOB NOT NULL,
    cursor BLOB NOT NULL,
    read_ms INTEGER NOT NULL,
    PRIMARY KEY (mailbox, node)
) STRICT;
