-- Named values: network state (view, guards), the account, what was published.
CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

-- The device and its sessions, as essaim.protocol.conversation.Device.take_changes names them.
CREATE TABLE device (name BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT;

-- What the person sees. `account` is the other side's identity key.
CREATE TABLE message (
    account BLOB NOT NULL,
    message_id BLOB NOT NULL,
    outgoing INTEGER NOT NULL,
    sent_ms INTEGER NOT NULL,
    shown_ms INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (account, message_id, outgoing)
) STRICT;

-- Sealed and not yet acknowledged by a quorum: stored again, the same bytes, until they are.
CREATE TABLE outgoing (
    number INTEGER PRIMARY KEY,
    policy BLOB NOT NULL,
    slot BLOB NOT NULL,
    expires_ms INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- Envelopes that were dealt with; `confirmed` when the swarm has been told. Kept as long as one could come again.
CREATE TABLE envelope (
    envelope_id BLOB PRIMARY KEY,
    slot BLOB NOT NULL,
    until_ms INTEGER NOT NULL,
    confirmed INTEGER NOT NULL
) STRICT;
