"""What a user would reach for instead of this software, run for real."""
