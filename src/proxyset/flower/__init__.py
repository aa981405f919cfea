"""The same probe and release inside Flower, for fleets that already run it."""
