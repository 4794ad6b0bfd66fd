"""The I/O that nodes and clients share: TLS dialling and the shell of the Link machines."""
