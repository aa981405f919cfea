"""Training loops, each to be read in one sitting. PyTorch; knows nothing of clients, clouds or privacy.

Importing this package imports torch: import it inside the function that trains.
"""

from proxyset.errors import needing

with needing("train", "models and training"):
    import torch as torch
