"""The schema of the node's database, one numbered SQL file for each version."""
