"""The protocol, without I/O: no socket, no clock, no disk. Time and randomness are always parameters."""
