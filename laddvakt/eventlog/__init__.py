"""The event log on NATS JetStream: publish, consume, the live feed, and the embedded server."""
