"""Reliability figures. Pure."""
