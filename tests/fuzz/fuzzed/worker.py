"""One parser under atheris, in a process of its own: libFuzzer ends it. python -m fuzzed.worker NAME FLAG... FOLDER"""

import sys

import atheris

PACKAGES = ["essaim", "essaim_client", "essaim_storage", "essaim_discovery", "essaim_opengroup"]

with atheris.instrument_imports(include=PACKAGES):
    import essaim  # noqa: F401  (before grpc)
    from fuzzed.table import family

    PARSERS = family(sys.argv[1].partition(".")[0])


def main() -> None:
    """The rest of the command line is libFuzzer's."""
    parser = PARSERS[sys.argv[1]]
    atheris.Setup([sys.argv[0], f"-max_len={parser.longest}", *sys.argv[2:]], parser.judge)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
