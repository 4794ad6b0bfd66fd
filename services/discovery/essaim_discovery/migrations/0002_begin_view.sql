-- What the view that follows was begun with: kind 3. 0 and empty for all other entries.
ALTER TABLE log ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log ADD COLUMN hash BLOB NOT NULL DEFAULT x'';
