"""Readers of pools and private data. They know files, not privacy and not networks."""
