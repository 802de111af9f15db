"""Decides: no input or output, no clock, no logging."""
