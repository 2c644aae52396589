#!/usr/bin/env python3
"""Golden values for tests/model/penalties_test.cc: penalties, DRY, logit bias, typical-p and log-probabilities.

Plain NumPy in float64, written from the definitions:
  repetition        Keskar et al. (2019), as transformers' RepetitionPenaltyLogitsProcessor does it
  presence,         OpenAI's API reference: logit - frequency * count - presence * (count > 0)
  frequency
  DRY               p-e-w's published processor: for every earlier occurrence of the newest token, how far does the match
                    reach back; the token after it loses multiplier * base ** (length - allowed_length)
  typical-p         transformers' TypicalLogitsWarper (Meister et al., 2022), with top_k before and top_p after it

    pip install numpy      (made with numpy 2.4.6)
    python3 make_penalties_golden.py > penalties_golden.json

Logits are multiples of 1/1024 and no two are equal. A case in which a cut falls within 1e-5 of a token's edge would
depend on rounding: it is left out.
"""

import itertools
import json
import sys

import numpy


def distinct_logits(random, count, spread):
    values = set()
    while len(values) < count:
        values.add(int(round(1024 * (random.standard_t(4) * spread - 1))))
    values = numpy.array(sorted(values))
    random.shuffle(values)
    return values / 1024.0


def apply_dry(scores, recent, breakers, multiplier, base, allowed_length):
    if not recent or recent[-1] in breakers:
        return
    lengths = {}
    for i in range(len(recent) - 1):
        if recent[i] != recent[-1]:
            continue
        next_token = recent[i + 1]
        if next_token in breakers:
            continue
        length = 1
        while i - length >= 0:
            previous = recent[len(recent) - 1 - length]
            if recent[i - length] != previous or previous in breakers:
                break
            length += 1
        lengths[next_token] = max(length, lengths.get(next_token, 0))
    for token, length in lengths.items():
        if length >= allowed_length:
            scores[token] -= multiplier * base ** (length - allowed_length)


def penalised(logits, recent, case):
    scores = numpy.array(logits, dtype=numpy.float64)
    for token, bias in case["logit_bias"]:
        scores[token] = scores[token] + bias if bias > -100 else -numpy.inf
    recent = recent[-case["repetition_window"]:] if case["repetition_window"] else []
    for token in sorted(set(recent)):
        count = recent.count(token)
        penalty = case["repetition_penalty"]
        scores[token] = scores[token] / penalty if scores[token] > 0 else scores[token] * penalty
        scores[token] -= case["presence_penalty"] + case["frequency_penalty"] * count
    if case["dry_multiplier"] > 0:
        apply_dry(scores, recent, case["breakers"], case["dry_multiplier"], case["dry_base"], case["dry_allowed_length"])
    return scores


def softmax(scores):
    weights = numpy.exp(scores - scores.max())
    return weights / weights.sum()


def narrowed(scores, case):
    """What typical-p and the steps around it leave, and how near a cut is to a token's edge."""
    scores = scores / case["temperature"]
    margin = 1.0
    if case["top_k"]:
        scores = numpy.where(scores < numpy.sort(scores)[-case["top_k"]], -numpy.inf, scores)
    if case["typical_p"] < 1.0:
        probabilities = softmax(scores)
        possible = probabilities > 0
        information = numpy.full_like(scores, numpy.inf)
        information[possible] = -numpy.log(probabilities[possible])
        entropy = (information[possible] * probabilities[possible]).sum()
        distance = numpy.abs(information - entropy)
        order = numpy.argsort(distance, kind="stable")
        mass = probabilities[order].cumsum()
        last = min(int((mass < case["typical_p"]).sum()), len(scores) - 1)
        around = distance[order][max(0, last - 1):last + 2]
        margin = min(margin, float(numpy.abs(mass - case["typical_p"]).min()), float(numpy.diff(around).min()))
        scores = numpy.where(distance > distance[order[last]], -numpy.inf, scores)
    if case["top_p"] < 1.0:
        probabilities = softmax(scores)
        order = numpy.argsort(-probabilities, kind="stable")
        mass = probabilities[order].cumsum()
        margin = min(margin, float(numpy.abs(mass - case["top_p"]).min()))
        scores[order[int((mass < case["top_p"]).sum()) + 1:]] = -numpy.inf
    if case["min_p"] > 0.0:
        probabilities = softmax(scores)
        ratios = probabilities / probabilities.max() / case["min_p"]
        margin = min(margin, float(numpy.abs(ratios - 1.0).min()))
        scores = numpy.where(ratios < 1.0, -numpy.inf, scores)
    return scores, margin


def main():
    random = numpy.random.default_rng(20261126)
    base = {"temperature": 1.0, "top_k": 0, "typical_p": 1.0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0,
            "repetition_window": 256, "presence_penalty": 0.0, "frequency_penalty": 0.0, "dry_multiplier": 0.0,
            "dry_base": 1.75, "dry_allowed_length": 2, "breakers": [], "logit_bias": []}
    rows, cases, skipped = [], [], 0
    for count, spread in [(9, 1.0), (70, 2.0), (200, 1.5)]:
        logits = distinct_logits(random, count, spread)
        # A stream that repeats itself: stretches of it come again, with changes.
        phrase = random.integers(0, count, 7).tolist()
        recent = random.integers(0, count, 10).tolist() + phrase + random.integers(0, count, 5).tolist() + phrase[2:]
        recent += random.integers(0, count, 3).tolist() + phrase + phrase[:5]
        rows.append({"logits": logits.tolist(), "recent": recent})
        variants = []
        for penalty, presence, frequency, window in itertools.product(
                [1.0, 1.25], [0.0, 0.5, -1.5], [0.0, 0.25, 2.0, -0.75], [4, 256]):
            variants.append({"repetition_penalty": penalty, "presence_penalty": presence,
                             "frequency_penalty": frequency, "repetition_window": window})
        for multiplier, dry_base, allowed, window, breakers in itertools.product(
                [0.75, 4.0], [1.0, 1.75], [1, 2, 4, 30], [6, 256], [[], [phrase[1]], [phrase[4]]]):
            variants.append({"dry_multiplier": multiplier, "dry_base": dry_base, "dry_allowed_length": allowed,
                             "repetition_window": window, "breakers": breakers})
        for typical, top_k, top_p, min_p, temperature in itertools.product(
                [0.05, 0.3, 0.75, 0.96875], [0, 1, 5, 40], [0.7, 1.0], [0.0, 0.25], [0.5, 1.0, 3.0]):
            variants.append({"typical_p": typical, "top_k": min(top_k, count), "top_p": top_p, "min_p": min_p,
                             "temperature": temperature})
        best = int(numpy.argmax(logits))
        variants.append({"logit_bias": [[best, -100.0], [0, 3.5], [3, -2.25]]})
        variants.append({"logit_bias": [[phrase[0], 100.0]], "presence_penalty": 1.0, "dry_multiplier": 1.0,
                         "repetition_penalty": 1.5, "typical_p": 0.875, "top_p": 0.96875, "temperature": 0.75})
        for variant in variants:
            case = {**base, **variant}
            scores = penalised(logits, recent, case)
            logprobs = scores - scores.max() - numpy.log(numpy.exp(scores - scores.max()).sum())
            left, margin = narrowed(scores, case)
            if margin < 1e-5:
                skipped += 1
                continue
            probabilities = softmax(left)
            tokens = numpy.nonzero(left >= left.max() - 87.0)[0].tolist()
            order = numpy.argsort(-logprobs, kind="stable")[:4].tolist()
            cases.append({"row": len(rows) - 1, **variant,
                          "tokens": [] if len(tokens) == count else tokens,  # empty: all
                          "sum_of_squares": float((probabilities ** 2).sum()),
                          "probabilities": [float(f"{probabilities[t]:.7g}") for t in tokens[:12]],
                          "top": [[t, float(f"{logprobs[t]:.7g}")] for t in order]})
    print(f"{len(cases)} cases, {skipped} left out", file=sys.stderr)
    json.dump({"numpy": numpy.__version__, "rows": rows, "cases": cases}, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
