"""A testnet whose nodes and clients have a network namespace each, and whose every packet is kept (N1). Root only."""
