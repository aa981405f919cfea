"""The operator's page: campaigns, a map of the pool, proxy sets, and what is being built."""
