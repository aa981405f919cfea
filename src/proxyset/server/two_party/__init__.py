"""The leader of a two-party sum: what a campaign's server keeps of it (`store`), and does about it (`job`)."""
