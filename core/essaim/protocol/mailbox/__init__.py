"""Mailboxes: policies that name them, envelopes, signed requests, cursors, puzzles. The law: docs/protocol/mailbox.md.

    Policy.public_inbox(read_key) · .outbox(write_key) · .private_inbox(read_key, write_key)
        .encoded .mailbox_id .owner
    envelope_id(mailbox_id, slot, expires_ms, data, version=0)
    SlotRecord.sign(owner, mailbox_id, slot, slot_key, version).encoded
    Act(policy, Method.CONFIRM, slot, removal_hash(slot, ids)).authorize(signer, time_ms, nonce, slot_record)
    Act(...).check(authorization);  NonceMemory().check_fresh(act, authorization, now_ms)
    verify_record(EnvelopeRecord | Tombstone, now_ms)
    Cursor.parse(data).number_at(node_id, incarnation);  .advanced(node_id, incarnation, number).encoded
    puzzle.solve(mailbox_id, store_subject(ids) | claim_subject(node_id, claim_id), difficulty, now_ms)
    puzzle.check(mailbox_id, subject, solution, difficulty, now_ms)

Everything refused is a `MailboxRefusedError`.
"""
