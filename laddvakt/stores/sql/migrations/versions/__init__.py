"""One file per step of the schema, in order. A step is never changed once released."""
