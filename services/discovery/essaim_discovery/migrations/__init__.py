"""The schema of discovery's log, step by step."""
