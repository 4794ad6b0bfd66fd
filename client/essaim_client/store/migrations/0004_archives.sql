-- Conversations that somebody exported and this person imported: apart from their own, never sent, in no backup.
-- `certificate` names who made the export and by which device; `whole` is set when its end was reached and it was genuine.
CREATE TABLE archive (
    archive_id BLOB PRIMARY KEY,
    certificate BLOB NOT NULL,
    conversation BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    from_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    imported_ms INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    whole INTEGER NOT NULL
) STRICT;

-- Their messages in order, each a serialised ExportedMessage.
CREATE TABLE archived (
    archive_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (archive_id, number)
) STRICT, WITHOUT ROWID;

-- A conversation may be long: what is asked for each of its texts must not read all of it.
CREATE INDEX entry_name ON entry (conversation, message_id);
CREATE INDEX entry_kind ON entry (conversation, kind, position, message_id);
