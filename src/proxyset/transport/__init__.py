"""How messages travel: HTTP, files, in one process."""
