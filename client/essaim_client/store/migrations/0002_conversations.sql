-- What makes a conversation, in causal order: (position, message_id, author). `content` is a serialised Content, empty
-- once it is gone: deleted, unsent, disappeared. `target` is the text that a reaction, edit or unsending is about.
CREATE TABLE entry (
    conversation BLOB NOT NULL,
    author BLOB NOT NULL,
    message_id BLOB NOT NULL,
    slot INTEGER NOT NULL,
    kind TEXT NOT NULL,
    position INTEGER NOT NULL,
    sent_ms INTEGER NOT NULL,
    shown_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    once_read_ms INTEGER NOT NULL,
    target BLOB NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (conversation, author, message_id)
) STRICT;
CREATE INDEX entry_order ON entry (conversation, position, message_id);
CREATE INDEX entry_target ON entry (conversation, target);
CREATE INDEX entry_expiry ON entry (expires_ms);

INSERT INTO entry
SELECT account, CASE outgoing WHEN 1 THEN own_identity() ELSE account END, message_id, 0, 'text',
       row_number() OVER (PARTITION BY account ORDER BY shown_ms, rowid), sent_ms, shown_ms, 0, 0, x'',
       text_content(message_id, sent_ms, text)
FROM message;
DROP TABLE message;

-- Which entry was seen to follow which: what nobody follows is newest, what is followed and not here is missing.
CREATE TABLE link (
    conversation BLOB NOT NULL,
    parent BLOB NOT NULL,
    child BLOB NOT NULL,
    PRIMARY KEY (conversation, parent, child)
) STRICT;

-- Entries that somebody has and this device lacks; `asked` times so far, again at `next_ms`. -1: nobody has it any more.
CREATE TABLE wanted (
    conversation BLOB NOT NULL,
    message_id BLOB NOT NULL,
    asked INTEGER NOT NULL,
    next_ms INTEGER NOT NULL,
    PRIMARY KEY (conversation, message_id)
) STRICT;

-- How far others say that they have read.
CREATE TABLE receipt (
    conversation BLOB NOT NULL,
    reader BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (conversation, reader)
) STRICT;

-- The newest list of an account's devices that was looked through for newcomers: a signed manifest head.
CREATE TABLE vetted (account BLOB PRIMARY KEY, head BLOB NOT NULL) STRICT;

-- Devices that came up since, with the manifest version that brought them.
CREATE TABLE newcomer (
    account BLOB NOT NULL,
    device_id BLOB NOT NULL,
    slot INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (account, device_id)
) STRICT;
