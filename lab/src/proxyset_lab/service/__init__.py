"""Measurements of the server; docs/service.md has the figures."""
