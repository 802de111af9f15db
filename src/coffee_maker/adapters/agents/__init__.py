"""Agents: what does an item. Each is an adapter of the `Agent` port."""
