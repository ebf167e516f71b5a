"""One file per page: its layout and its wiring. What it shows comes from `queries`, `components` and `figures`."""
