"""The I/O that client and services share: TLS dialling, raw gRPC messages, and the shell of the Link machines."""
