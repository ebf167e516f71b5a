"""The `laddvakt` command; one file per command. The only place that wires services together."""
