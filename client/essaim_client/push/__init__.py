"""Being woken: a subscription at a push host, and its push ids registered with this device's mailboxes, days ahead."""
