-- Files on their way: sent, fetched, taken back. `file` is a serialised File, `header` that of an upload's stream;
-- `subject` and `place` are who it is for and the file's path, or a download's first piece and the directory.
CREATE TABLE transfer (
    transfer_id BLOB PRIMARY KEY,
    direction TEXT NOT NULL,
    subject BLOB NOT NULL,
    place TEXT NOT NULL,
    file BLOB NOT NULL,
    header BLOB NOT NULL
) STRICT;
CREATE INDEX transfer_subject ON transfer (direction, subject, place);

-- Pieces that are done.
CREATE TABLE transfer_piece (
    transfer_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (transfer_id, number)
) STRICT;
