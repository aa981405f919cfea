"""The only code that touches private items. What leaves this folder is a `wire.release.Release`, no more."""
