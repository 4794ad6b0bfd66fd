"""What belongs to people, in every form that it could leak in, and where nodes could leave it (N8)."""
