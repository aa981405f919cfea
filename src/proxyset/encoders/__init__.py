"""Encoders: φ, the same on both sides."""
