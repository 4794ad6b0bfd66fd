"""The schema of discovery, in numbered steps."""
