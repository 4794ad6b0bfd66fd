"""Files, photos and voice messages: prepared, sent in pieces, fetched, taken back."""
