"""Remembers: the shared databases, on SQLite or PostgreSQL."""
