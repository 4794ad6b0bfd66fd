"""The client's way through the network: view, clock, guard, path, request. It knows nothing of messages or people."""
