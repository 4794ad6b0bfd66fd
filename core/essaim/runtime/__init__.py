"""What every service runs on: settings, run and drain, links, delivery, errors, metrics, logs, identity, database."""
