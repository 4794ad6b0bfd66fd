"""Open groups: hosts, rooms, members by keys that no other host can join with these. docs/protocol/opengroup.md."""
