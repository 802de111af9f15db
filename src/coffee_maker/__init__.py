"""coffee-roadmap: one ROADMAP.md and one database, shared by a person and coding agents."""

__version__ = "0.1.0"
