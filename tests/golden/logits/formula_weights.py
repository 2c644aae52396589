"""Weights by a formula, the same as tests/model/torch/formula_checkpoint.cc: golden logits without weight files."""

import numpy as np

MASK = (1 << 64) - 1


def hash_name(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def mix(x):
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def formula_weight(name, shape):
    """float32 array. `name` is the canonical one: Hugging Face's without "model."."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        hashed = mix(np.uint64(hash_name(name)) + np.arange(count, dtype=np.uint64))
    centred = 2.0 * ((hashed >> np.uint64(40)).astype(np.float64) / (1 << 24)) - 1.0
    if "norm" in name:
        values = 1.0 + 0.25 * centred
    elif name.endswith(".bias"):
        values = 0.5 * centred
    elif "embed" in name:
        values = centred
    else:
        values = 2.5 * centred / np.sqrt(shape[-1])
    return values.astype(np.float32).reshape(shape)


# SmallConfig() of formula_checkpoint.cc.
SMALL = dict(
    vocab_size=64,
    num_layers=2,
    hidden_size=48,
    num_heads=4,
    num_kv_heads=2,
    head_size=16,
    feed_forward_size=80,
    rms_norm_epsilon=1e-5,
    rope_theta=10000.0,
)


def some_tokens(count, seed):
    """Token ids below SMALL's vocabulary, by a small generator of their own."""
    state, tokens = seed, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % (1 << 31)
        tokens.append((state >> 16) % SMALL["vocab_size"])
    return tokens
