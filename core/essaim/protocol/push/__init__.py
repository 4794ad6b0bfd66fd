"""Push: subscriptions at a host, push ids, registrations with a mailbox, wakes, previews. docs/protocol/push.md."""
