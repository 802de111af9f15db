"""Public guardrails for scripts that live beside a project."""
