"""Rotary positions. Dimension i turns with i + head_size / 2, as in Hugging Face checkpoints of the Llama family."""

import torch


def rotation(places, shape):
    """Cosines and sines, two float32 tensors [places, head_size]. Angles are computed in float64."""
    half = shape.head_size // 2
    exponents = torch.arange(half, dtype=torch.float64, device=places.device) / half
    angles = places.double()[:, None] * shape.rope_theta ** -exponents
    angles = torch.cat([angles, angles], dim=1)
    return angles.cos().float(), angles.sin().float()


def rotate(heads, tables):
    """`heads` [..., places, head_size], turned by the tables of rotation()."""
    cosines, sines = tables
    first, second = heads.chunk(2, dim=-1)
    return heads * cosines + torch.cat([-second, first], dim=-1) * sines
