"""Data to plotly figures. Pure."""
