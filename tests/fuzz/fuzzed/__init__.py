"""Every parser of foreign bytes, run on whatever a fuzzer thinks of: `python -m fuzzed --help`, `make fuzz`."""
