"""Encoders: φ, the same on both sides."""

from proxyset.encoders.catalogue import encoder_for, load_encoder
from proxyset.encoders.encoder import Encoded, Encoder, EncoderSpec

__all__ = ["Encoded", "Encoder", "EncoderSpec", "encoder_for", "load_encoder"]
