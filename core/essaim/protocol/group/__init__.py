"""Closed groups: who is in, which keys they share, and how each device speaks. docs/protocol/groups.md is the law.

record        one signed change of a group: founding, invitation, joining, removal, ...
roster        who is in and what they may do, as a value; `applied` makes the next one
room          how many records of each writer a log takes: nobody fills the room of another
bundle        many records on the wire
log           all records that a device has: a hash graph that merges, and the roster that follows from it
epoch         a secret that the members of one time share, and the mailboxes of its days
frame         what lies in these mailboxes: sealed under the epoch's key of the day
sender_key    a device's chain of message keys, with a signing key of its own
announcement  a new chain or epoch for up to 499 devices, 56 bytes for each
"""
