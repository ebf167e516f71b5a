"""MQTT: devices' telemetry into facts."""
