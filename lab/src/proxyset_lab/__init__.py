"""Benchmark, data sets, rivals, alternatives, fleets, speed and load of proxyset: what its figures were measured with."""
