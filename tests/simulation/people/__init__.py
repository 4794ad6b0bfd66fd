"""People with several devices each, and the mailboxes between them, without a network: seeded, with time of its own."""
