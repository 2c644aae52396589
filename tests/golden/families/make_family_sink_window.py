"""Logits past the capacity, for every kind of position: the definition (ARCHITECTURE.md, "What a token sees"), float64.

Usage: make_family_sink_window.py [MODEL ...]     writes sink_window/MODEL.json, all models if none is named

Token by token, as ../logits/make_sink_window_logits.py: every key is kept unrotated for ever; for each query, what it
sees is listed and put side by side into places 0 … p(t). No cache, no ring, no chunks. The models are cases of
make_family_logits.py, whose logits by transformers the network must give while everything is visible.
"""

import json
import os
import sys

import numpy as np
from family_weights import prompt_tokens
from float64_network import Network
from make_family_logits import dump, merge
from make_sink_window_logits import Windows

HERE = os.path.dirname(os.path.abspath(__file__))


class Stream:
    def __init__(self, network, sinks):
        self.network, self.sinks = network, sinks
        self.tokens = []  # per stream token: per layer (key, value), unrotated
        self.notes = []

    def run(self, token, seen, places):
        """`seen`: the lists of what the token sees, its own (still empty) last; `places`: theirs."""
        x = self.network.embed(token)
        for index, layer in enumerate(self.network.layers):

            def attend(q, k, v):
                seen[-1].append((k, v))
                keys, values = (np.stack([entry[index][part] for entry in seen]) for part in (0, 1))
                return layer.attention_of(q, keys, values, places, places[-1])

            x = layer.run(x, attend)
        return self.network.logits(x)

    def feed(self, token, b):
        t = len(self.tokens)
        self.tokens.append([])
        if t < self.sinks:
            return self.run(token, self.tokens[:], list(range(t + 1)))
        seen = self.tokens[: self.sinks] + self.notes + self.tokens[b:]
        return self.run(token, seen, list(range(len(seen))))

    def set_notes(self, tokens):
        self.notes = []
        for i, token in enumerate(tokens):
            self.notes.append([])
            sinks = self.tokens[: self.sinks]
            self.run(token, sinks + self.notes, list(range(len(sinks))) + [self.sinks + j for j in range(i + 1)])

    def rewind(self, r):
        del self.tokens[r:]


def play(make_network, name, sinks, window, script, notes=0, turn_starts=(), every=8, first=None):
    """`script`: ("feed", count or tokens), ("notes", count), ("rewind", r). Some rows, past the sinks, and the last."""
    network = make_network(sinks + notes + window)
    stream, windows, seed, steps = Stream(network, sinks), Windows(sinks, window, turn_starts), len(name), []
    for verb, number in script:
        seed += 1
        if verb == "rewind":
            stream.rewind(number)
            windows.rewind(number)
            steps.append(dict(rewind=number))
            continue
        tokens = prompt_tokens(number, seed)
        if verb == "notes":
            stream.set_notes(tokens)
            steps.append(dict(notes=tokens))
            continue
        if first is not None and not stream.tokens:
            tokens[0] = first
        begins, rows = [], []
        for i, token in enumerate(tokens):
            past_sinks = len(stream.tokens) >= sinks
            begins.append(windows.next())
            logits = stream.feed(token, begins[-1])
            if (past_sinks and i % every == every - 1) or i == number - 1:
                rows.append(dict(row=i, logits=[round(v, 7) for v in logits.tolist()]))
        steps.append(dict(feed=tokens, window_begin=begins, rows=rows))
    return dict(name=name, sink_tokens=sinks, note_tokens=notes, window_tokens=window,
                eviction="turn_wise" if turn_starts else "token_wise", turn_starts=list(turn_starts), steps=steps)


TURNS = (0, 5, 11, 13, 20, 31, 33, 38)
LATE_TURNS = (0, 58, 63, 70, 78, 81, 90)
NOTES = [("feed", 6), ("notes", 3), ("feed", 14), ("notes", 2), ("feed", 5), ("notes", 0), ("feed", 4)]
SINKS = {
    "no_sinks": (0, 7, [("feed", 24)], {}),
    "one_sink": (1, 7, [("feed", 24)], {}),
    "four_sinks": (4, 8, [("feed", 30)], {}),
    "sixty_sinks": (60, 12, [("feed", 96)], {}),
}
TURN_WISE = {
    "turn_wise": (4, 12, [("feed", 40)], dict(turn_starts=TURNS)),
    "turn_wise_without_sinks": (0, 10, [("feed", 40)], dict(turn_starts=TURNS)),
    "turn_wise_sixty_sinks": (60, 14, [("feed", 96)], dict(turn_starts=LATE_TURNS)),
}
CHANGES = {
    "rewind": (2, 10, [("feed", 25), ("rewind", 21), ("feed", 14)], {}),
    "rewind_into_the_sinks": (4, 6, [("feed", 20), ("rewind", 3), ("feed", 15)], {}),
    "turn_wise_rewind": (1, 12, [("feed", 36), ("rewind", 33), ("feed", 12)], dict(turn_starts=TURNS)),
    "notes": (3, 8, NOTES, dict(notes=4)),
    "notes_without_sinks": (0, 5, [("notes", 2), ("feed", 12)], dict(notes=2)),
    "notes_and_turns": (4, 12, [("feed", 10), ("notes", 4), ("feed", 30)], dict(notes=4, turn_starts=TURNS)),
}
FEW = {name: (SINKS | TURN_WISE | CHANGES)[name] for name in ("four_sinks", "turn_wise", "notes")}
# Layers with a window of 12: the capacity is above it, the sinks lie outside it once the window is full.
LAYER_WINDOWS = {
    "four_sinks": (4, 16, [("feed", 36)], {}),
    "no_sinks": (0, 16, [("feed", 30)], {}),
    "capacity_of_the_window": (4, 8, [("feed", 24)], {}),
    "turn_wise_and_rewind": (1, 20, [("feed", 36), ("rewind", 33), ("feed", 12)], dict(turn_starts=TURNS)),
    "notes": (3, 14, NOTES, dict(notes=4)),
}
# The factors are chosen by the capacity, once: 32 is the original length.
LONGROPE = {
    "capacity_of_the_original_length": (4, 28, [("feed", 48)], {}),
    "larger_capacity": (4, 29, [("feed", 48)], {}),
    "larger_capacity_by_its_notes": (3, 27, [("feed", 10), ("notes", 3), ("feed", 40)], dict(notes=4)),
}
ZERO_SINK = {name: (SINKS | TURN_WISE)[name] for name in ("no_sinks", "one_sink", "four_sinks", "turn_wise")}

# file -> (case of family_cases.py, change of its config.json, what is played)
MODELS = {
    "llama2": ("llama2", {}, SINKS | TURN_WISE | CHANGES),  # RoPE
    "gpt_neox": ("gpt_neox", {}, SINKS | TURN_WISE | CHANGES),  # partial RoPE
    "mpt_clipped_six_heads": ("mpt_clipped_six_heads", {}, SINKS | TURN_WISE | CHANGES),  # ALiBi
    "mpt": ("mpt", {}, SINKS | FEW),
    "falcon_rw": ("falcon_rw", {}, FEW),  # ALiBi, scaled
    "falcon_7b": ("falcon_7b", {}, FEW),
    "falcon_40b": ("falcon_40b", {}, FEW),
    "stablelm_qkv_bias": ("stablelm_qkv_bias", {}, FEW),
    "qwen3": ("qwen3", {}, FEW),
    "phi3_partial_rotary": ("phi3_partial_rotary", {}, FEW),
    "phi3_longrope": ("phi3_longrope_long", {}, LONGROPE),
    "mistral": ("mistral", {}, LAYER_WINDOWS),
    "qwen2_layer_windows": ("qwen2_layer_windows", {}, LAYER_WINDOWS),
    "gemma2": ("gemma2", {}, LAYER_WINDOWS),
    "gemma3_scaled_and_capped": ("gemma3_scaled_and_capped", {}, LAYER_WINDOWS),
    "zero_sink": ("llama2", dict(zero_sink=True), ZERO_SINK),
    "sink_token": ("llama2", dict(sink_token_id=31),
                   {"sink_token": (1, 7, [("feed", 24)], dict(first=31)),
                    "turn_wise": (1, 12, [("feed", 40)], dict(first=31, turn_starts=TURNS))}),
}


def read_case(name):
    with open(os.path.join(HERE, "logits", name + ".json")) as file:
        return json.load(file)


def difference_from_transformers(network, golden):
    largest = 0.0
    for steps in ([golden["prompt"]], golden.get("turns", [])):
        stream = Stream(network, 0)
        for step in steps:
            logits = [stream.feed(token, 0) for token in step["feed"]]
            for row in step["rows"]:
                largest = max(largest, np.abs(logits[row["row"]] - row["logits"]).max())
    return float(f"{largest:.1e}")


def main():
    os.makedirs(os.path.join(HERE, "sink_window"), exist_ok=True)
    for file_name in sys.argv[1:] or MODELS:
        case, change, played = MODELS[file_name]
        golden = read_case(case)
        length = len(golden["prompt"]["feed"])
        difference = difference_from_transformers(Network(golden["config"], golden["tensors"], length), golden)
        assert difference < 5e-5, (file_name, difference)
        config = merge(golden["config"], change)

        def make_network(capacity):
            return Network(config, golden["tensors"], capacity)

        cases = [play(make_network, name, sinks, window, script, **more)
                 for name, (sinks, window, script, more) in played.items()]
        result = dict(
            name=file_name, checkpoint=f"logits/{case}.json", change=change,
            made_by=f"the definition, numpy {np.__version__}, float64",
            difference_from_transformers_while_all_is_visible=difference)
        print(file_name, difference, file=sys.stderr, flush=True)
        with open(os.path.join(HERE, "sink_window", file_name + ".json"), "w") as file:
            dump(result | {"cases": cases}, file)


if __name__ == "__main__":
    main()
