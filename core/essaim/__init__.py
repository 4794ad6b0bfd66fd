"""Essaim's shared kernel: `protocol` (pure), `runtime` (services only) and `testing` (shipped test doubles of the outside world)."""
