"""Where derived data lives: records (SQL) and telemetry. `ports` says what they promise."""
