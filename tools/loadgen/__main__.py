"""The processes of the load generator, told what to do on standard input."""

import asyncio
import sys
from pathlib import Path

from loadgen import client, person


def main(arguments: list[str]) -> int:
    """0, or 2 for a wrong command line."""
    match arguments:
        case ["client", network_file]:
            asyncio.run(client.serve(Path(network_file)))
        case ["person", network_file, home]:
            asyncio.run(person.serve(Path(network_file), Path(home)))
        case _:
            print("usage: python -m loadgen client NETWORK_FILE | person NETWORK_FILE HOME", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
