"""Measurements of the server: python -m proxyset.bench.service load|memory|kill (docs/service.md has the figures)."""
