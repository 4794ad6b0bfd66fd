"""One module for each family of parsers; `fuzzed.table` lists them all."""
