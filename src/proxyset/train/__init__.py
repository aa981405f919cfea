"""Training loops, each to be read in one sitting. PyTorch; knows nothing of clients, clouds or privacy.

Importing this package imports torch: import it inside the function that trains.
"""

from proxyset.errors import MissingExtra

try:
    import torch as torch
except ModuleNotFoundError:
    raise MissingExtra("torch", "train", "models and training") from None
