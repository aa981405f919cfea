"""The helper of two-party sums: a small service that another organisation runs. Its own state, its own key, nothing else."""
