"""Talks to stations (OCPP) and devices (MQTT), records what they say. Knows OCPP and MQTT; nobody else does."""
