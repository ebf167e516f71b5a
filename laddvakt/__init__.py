"""Laddvakt: real-time monitoring, fault detection and revenue for charging-station networks."""

__version__ = "0.1.0"
