"""Mappings for devices in wide use, chosen with `use = "<file name>"` in a mapping file."""
