"""Campaigns for many clients: state, routes, page."""
