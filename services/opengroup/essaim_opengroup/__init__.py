"""A host of open groups."""
