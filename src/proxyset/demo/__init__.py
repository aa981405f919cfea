"""The main job end to end on real data, and the report about it."""
