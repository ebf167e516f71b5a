"""`python -m laddvakt.cli`: the `laddvakt` program without its script."""

from laddvakt.cli.main import main

main()
