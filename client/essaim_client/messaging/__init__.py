"""From text to envelopes and back: what a person's device publishes, sends, receives and confirms."""
