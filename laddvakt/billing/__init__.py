"""Pricing: OCPI tariffs. Pure."""
