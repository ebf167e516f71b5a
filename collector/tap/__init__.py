"""Pass-through: stations keep their central system, Laddvakt listens. Forwarding never waits for listening."""
