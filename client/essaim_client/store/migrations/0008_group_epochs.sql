-- From whom and when this device first had an epoch of a closed group: who gives many, pushes out their own.
CREATE TABLE group_epoch (
    group_id BLOB NOT NULL,
    epoch_id BLOB NOT NULL,
    giver BLOB NOT NULL,
    heard_ms INTEGER NOT NULL,
    PRIMARY KEY (group_id, epoch_id)
) STRICT, WITHOUT ROWID;
