"""What every request passes through: identity, guard, headers, problem details, and the wire format."""
