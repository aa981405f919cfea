"""What many clients' releases are worth together, against one client with all the data."""
