"""Flower carries the same probe and release for those who already run it: a ServerApp and a ClientApp.

proxyset.flower.server_app:app     sends the probe, takes in releases, writes the proxy set
proxyset.flower.client_app:app     answers as `proxyset answer` does, by its owner's settings, ledger and policy
"""
