"""Speak to the outside: the roadmap file, git, agents, channels."""
