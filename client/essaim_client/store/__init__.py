"""What a client keeps on its disk: one encrypted database, its key wrapped by a passphrase or the system's key ring."""
