"""Encoders: φ, the same on both sides."""

from proxyset.encoders.catalogue import encoder_for, load_encoder
from proxyset.encoders.encoder import Encoded, Encoder, EncoderSpec
from proxyset.encoders.function import FunctionEncoder

__all__ = ["Encoded", "Encoder", "EncoderSpec", "FunctionEncoder", "encoder_for", "load_encoder"]
