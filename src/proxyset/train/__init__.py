"""Training loops, each to be read in one sitting. PyTorch; knows nothing of clients, clouds or privacy."""
