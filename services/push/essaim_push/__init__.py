"""A push host: subscriptions, a durable queue of wakes, providers. docs/protocol/push.md."""
