"""A fleet with honest physics, seeded faults and ground truth; speaks real OCPP and MQTT."""
