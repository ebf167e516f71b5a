"""The vocabulary of the product. Pure: imports no event loop, SQL, network or page, and reads no clock."""
