"""The three jobs that a proxy set exists for, told with the parts of the other folders."""
