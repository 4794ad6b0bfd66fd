-- Exports of closed groups: `conversation` is the group's id, `group_name` what it was called; empty for a conversation of two.
ALTER TABLE archive ADD COLUMN group_name TEXT NOT NULL DEFAULT '';
