"""Real data sets, built from packages or read from where their user has put them."""
