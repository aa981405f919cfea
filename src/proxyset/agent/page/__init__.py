"""The owner's page: what is asked of the private data, what it would cost, and what has left this machine."""
