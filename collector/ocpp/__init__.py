"""OCPP-J: frames, official schemas, and one file per action."""
