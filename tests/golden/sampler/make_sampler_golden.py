#!/usr/bin/env python3
"""Golden values for tests/model/sampler_test.cc: what transformers' logits processors keep, and with what probability.

Runs RepetitionPenaltyLogitsProcessor, then TemperatureLogitsWarper, TopK, TopP and MinP (the order of generate()), in
float64, and writes the tokens that are left with their probabilities.

    pip install torch transformers numpy      (made with torch 2.11.0, transformers 5.23.0, numpy 2.4.6)
    python3 make_sampler_golden.py > sampler_golden.json

The logits are multiples of 1/1024, so that the text holds them exactly, and no two are equal, so that ties (where
transformers keeps all, and the sampler the lowest ids) do not occur. A combination in which a cut falls within 1e-6 of a
token's edge would depend on rounding: it is left out.
"""

import itertools
import json
import sys

import numpy
import torch
import transformers
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)


def distinct_logits(random, count, spread):
    """`count` different multiples of 1/1024 around -1, most of them low, a few high, as a language model's are."""
    values = set()
    while len(values) < count:
        values.add(int(round(1024 * (random.standard_t(4) * spread - 1))))
    values = numpy.array(sorted(values))
    random.shuffle(values)
    return values / 1024.0


def kept(logits, recent, case):
    """Token ids and probabilities after the processors, and how near the cuts are to an edge."""
    input_ids = torch.tensor([recent], dtype=torch.long)
    scores = torch.from_numpy(numpy.array(logits, dtype=numpy.float64))[None, :]
    if case["repetition_penalty"] != 1.0:
        window = case["repetition_window"]
        counted = input_ids[:, -window:] if window else input_ids[:, :0]
        if counted.shape[1]:
            scores = RepetitionPenaltyLogitsProcessor(case["repetition_penalty"])(counted, scores)
    if case["temperature"] != 1.0:
        scores = TemperatureLogitsWarper(case["temperature"])(input_ids, scores)
    if case["top_k"]:
        scores = TopKLogitsWarper(case["top_k"])(input_ids, scores)
    margin = 1.0
    if case["top_p"] < 1.0:
        ordered = torch.sort(scores.softmax(-1), descending=True)[0].cumsum(-1)
        margin = min(margin, float((ordered - case["top_p"]).abs().min()))
        scores = TopPLogitsWarper(case["top_p"])(input_ids, scores)
    if case["min_p"] > 0.0:
        probabilities = scores.softmax(-1)
        ratios = probabilities / probabilities.max() / case["min_p"]
        if case["min_p"] < 1.0:
            margin = min(margin, float((ratios - 1.0).abs().min()))
        scores = MinPLogitsWarper(case["min_p"])(input_ids, scores)
    probabilities = scores.softmax(-1)[0]
    # The sampler counts in float32: what is less than e^-87 times as likely as the most likely token is impossible there.
    tokens = torch.nonzero(scores[0] >= scores.max() - 87.0)[:, 0].tolist()
    return tokens, [float(probabilities[token]) for token in tokens], margin


def main():
    random = numpy.random.default_rng(20240607)
    rows, cases, skipped = [], [], 0
    for count, spread in [(5, 1.0), (64, 2.0), (150, 1.0), (300, 3.0)]:
        logits = distinct_logits(random, count, spread)
        # The recent tokens repeat themselves and hold the most likely ones.
        recent = random.integers(0, count, 40).tolist() + numpy.argsort(-logits)[:4].tolist() + [0, 0, 1]
        rows.append({"logits": logits.tolist(), "recent": recent})
        grid = itertools.product(
            [0.25, 1.0, 1.75], [0, 1, 3, 40], [0.1, 0.75, 0.9375, 1.0], [0.0, 0.0625, 0.5], [(1.0, 256), (1.25, 3)]
        )
        extra = [(0.75, 0, 1.0, 0.0, (1.5, 256)), (1.0, 0, 0.875, 0.0, (0.75, 8)), (1.0, 5, 1.0, 0.0, (2.0, 0)),
                 (1.0, 1000, 1.0, 0.0, (1.0, 256)), (1.0, 0, 1.0, 1.0, (1.0, 256)), (1.0, 2, 0.96875, 0.03125, (1.75, 64))]
        for temperature, top_k, top_p, min_p, (penalty, window) in itertools.chain(grid, extra):
            case = {"row": len(rows) - 1, "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p,
                    "repetition_penalty": penalty, "repetition_window": window}
            tokens, probabilities, margin = kept(logits, recent, case)
            if margin < 1e-6:
                skipped += 1
                continue
            case["tokens"] = tokens
            # Long lists only by their sum of squares: the file stays small.
            case["sum_of_squares"] = sum(p * p for p in probabilities)
            case["probabilities"] = [float(f"{p:.7g}") for p in probabilities] if len(tokens) <= 12 else []
            if len(tokens) == count:
                case["tokens"] = []  # all
            cases.append(case)
    print(f"{len(cases)} cases, {skipped} left out", file=sys.stderr)
    json.dump({"transformers": transformers.__version__, "rows": rows, "cases": cases}, sys.stdout,
              separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
