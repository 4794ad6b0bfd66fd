"""Load from outside: clients and people, each a process of its own, that use a network as it is.

    python -m loadgen client NETWORK_FILE         stores and retrieves through the onion in a closed loop, on command
    python -m loadgen person NETWORK_FILE HOME    an account that listens, and sends in an open loop, on command

Commands and answers are lines of JSON on standard input and output (`loadgen.child`); tests/bench gives them.
"""
