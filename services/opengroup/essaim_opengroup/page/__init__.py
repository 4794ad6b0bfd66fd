"""The page of public rooms, for readers without a client."""
