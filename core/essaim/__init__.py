"""Essaim's shared kernel: `protocol` (pure), `runtime` (services only), `testing` (doubles of the outside world)."""
