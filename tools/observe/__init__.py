"""A real Prometheus beside a testnet: what the chart's rules and dashboards ask is asked of it, and has an answer."""
