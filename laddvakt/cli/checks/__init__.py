"""What `laddvakt doctor` looks at: one file per kind of thing, one function per check."""
