"""How long a program waits for `import essaim_client`: fresh interpreters, one after the other.

`run()` returns dotted keys and numbers: medians. Not counted is the interpreter's own start.
"""

import os
import subprocess
import sys
from statistics import median

ROUNDS = 15
TIMED = (
    "import time; began = time.perf_counter(), time.process_time(); import {module};"
    " print(time.perf_counter() - began[0], time.process_time() - began[1])"
)


def import_ms(module: str) -> tuple[float, float]:
    """(time that passed, processor time) of one import, milliseconds."""
    command = [sys.executable, "-c", TIMED.format(module=module)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    passed, worked = told.split()
    return float(passed) * 1e3, float(worked) * 1e3


def run() -> dict[str, float]:
    """The first import fills the caches of files and bytecode, and does not count."""
    import_ms("essaim_client")
    library = [import_ms("essaim_client") for _ in range(ROUNDS)]
    command_line = [import_ms("essaim_client.cli") for _ in range(ROUNDS)]
    return {
        "client.import_ms": median(passed for passed, _ in library),
        "client.import_cpu_ms": median(worked for _, worked in library),
        "client.import_cli_ms": median(passed for passed, _ in command_line),
    }


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key} {value:.0f}")
