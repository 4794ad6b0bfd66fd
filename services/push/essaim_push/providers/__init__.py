"""Where wakes leave the network: Web Push (and UnifiedPush), APNs, FCM, webhooks. docs/operations/push.md."""
