"""One conversation on a terminal: history, what arrives, what becomes of what one sends."""
