"""Train on a public proxy of data that must not leave its owner."""
