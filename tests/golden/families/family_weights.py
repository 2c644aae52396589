"""Weights by a formula, under the names that the checkpoint's own file has.

A tensor is described by [name, shape, centre, spread]; its element i is float32(centre + spread × u), with u in
[-1, 1) from a hash of name and i, that of ../logits/formula_weights.py and tests/model/torch/formula_checkpoint.cc.
"""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "logits"))
from formula_weights import hash_name, mix, some_tokens  # noqa: E402,F401


def describe(name, shape, model_type):
    """Norms lie around what leaves their input as it is, biases are not small, matrices keep their input's size."""
    gemma = model_type.startswith("gemma")
    embedding = ("embed" in name or "wte" in name) and "embed_out" not in name
    if name.endswith(".bias"):
        centre, spread = 0.0, 0.5
    elif len(shape) == 1:
        centre, spread = (0.0 if gemma else 1.0), 0.25
    elif embedding:
        centre, spread = 0.0, (0.25 if gemma else 1.0)
    else:
        centre, spread = 0.0, round(2.5 / shape[-1] ** 0.5, 4)
    return [name, list(shape), centre, spread]


def weight(name, shape, centre, spread):
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        hashed = mix(np.uint64(hash_name(name)) + np.arange(count, dtype=np.uint64))
    u = 2.0 * ((hashed >> np.uint64(40)).astype(np.float64) / (1 << 24)) - 1.0
    return (centre + spread * u).astype(np.float32).reshape(shape)


def prompt_tokens(count, seed, vocab_size=32):
    return [token % vocab_size for token in some_tokens(count, seed)]
