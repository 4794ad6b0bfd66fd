"""The demo: the main job, live, on real processes. `python -m demo [--json]` in tools/, or `make demo`."""
