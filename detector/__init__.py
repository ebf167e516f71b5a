"""Finds faulty stations and cables, says why, opens tickets and tells people."""
