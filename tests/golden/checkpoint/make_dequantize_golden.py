#!/usr/bin/env python3
"""Golden values for Dequantize, made by gguf-py (pip: gguf, numpy), which shares no code with ours.

    make_dequantize_golden.py OUT_DIR

writes, per element type, TYPE.blocks (bytes as they lie in a file) and TYPE.values (float32, little-endian). Blocks are
random numbers quantised by gguf-py where it can, then random bytes with finite scales (every bit pattern of a block
body is legal). float16 and bfloat16: random bit patterns, every exponent, both signs, subnormals and infinities, no NaN.
"""

import pathlib
import sys

import gguf
import numpy as np

# Where a block's float16 fields are.
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208]}


def finite_halves(random, count):
    """Random float16 bit patterns, subnormals and zeros of both signs included, without infinities and NaN."""
    bits = random.integers(0, 0x7C00, count, dtype=np.uint16) | (random.integers(0, 2, count, dtype=np.uint16) << 15)
    bits[: min(count, 4)] = [0x0000, 0x8001, 0x03FF, 0x7BFF][: min(count, 4)]
    return bits


def random_blocks(random, name, count, block_bytes):
    blocks = random.integers(0, 256, (count, block_bytes), dtype=np.uint8)
    for place in SCALES[name]:
        blocks[:, place:place + 2] = finite_halves(random, count).view(np.uint8).reshape(count, 2)
    return blocks


def half_patterns(random, exponent_bits):
    fraction_bits = 15 - exponent_bits
    top = (1 << exponent_bits) - 1
    patterns = [sign << 15 | exponent << fraction_bits | fraction
                for sign in (0, 1) for exponent in range(top + 1)
                for fraction in ([0] if exponent == top else [0, 1, (1 << fraction_bits) - 1,
                                                              int(random.integers(0, 1 << fraction_bits))])]
    return np.array(patterns, dtype=np.uint16)


def main():
    out_dir = pathlib.Path(sys.argv[1])
    random = np.random.default_rng(20231017)
    for name in ["F16", "BF16", *SCALES]:
        kind = gguf.GGMLQuantizationType[name]
        block_elements, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        if block_elements == 1:
            blocks = half_patterns(random, 5 if name == "F16" else 8).view(np.uint8)
        else:
            blocks = random_blocks(random, name, 12, block_bytes)
            try:
                normal = random.normal(0, 0.05, (12, block_elements)).astype(np.float32)
                blocks = np.concatenate([blocks, gguf.quants.quantize(normal, kind)])
            except NotImplementedError:
                pass
            blocks = blocks.reshape(1, -1)
        values = gguf.quants.dequantize(blocks, kind)
        (out_dir / f"{name}.blocks").write_bytes(blocks.tobytes())
        (out_dir / f"{name}.values").write_bytes(values.astype("<f4").tobytes())


if __name__ == "__main__":
    main()
