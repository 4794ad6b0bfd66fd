"""Links between nodes, and from a client to its guard: frames, hello, calls with grants, pacing. No I/O.

The law is docs/protocol/link.md. One link is one gRPC stream of one class; the dialler opens calls on it, the acceptor
answers them. `essaim.network` is the shell that moves the bytes.
"""
