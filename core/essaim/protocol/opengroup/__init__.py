"""Open groups: member keys, signed statements, the chain of a room, who may do what. docs/protocol/opengroup.md."""
