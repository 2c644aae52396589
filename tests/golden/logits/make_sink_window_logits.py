"""Sink-window logits past the capacity: the definition (ARCHITECTURE.md, "What a token sees"), token by token, float64.

Usage: make_sink_window_logits.py > sink_window.json

Written from the definition and nothing else: every key is kept unrotated for ever; for each query, what it sees is
listed, put side by side into places 0 … p(t), rotated by those places, and attended to. No cache, no ring, no chunks.
"""

import json
import sys

import numpy as np
from formula_weights import SMALL, formula_weight, some_tokens

HEADS, KV_HEADS, SIZE = SMALL["num_heads"], SMALL["num_kv_heads"], SMALL["head_size"]


def weight(name, *shape):
    return formula_weight(name, shape).astype(np.float64)


class Network:
    def __init__(self):
        hidden, forward = SMALL["hidden_size"], SMALL["feed_forward_size"]
        self.embedding = weight("embed_tokens.weight", SMALL["vocab_size"], hidden)
        self.norm = weight("norm.weight", hidden)
        self.head = weight("lm_head.weight", SMALL["vocab_size"], hidden)
        self.layers = []
        for i in range(SMALL["num_layers"]):
            at, ff = f"layers.{i}.self_attn.", f"layers.{i}.mlp."
            self.layers.append(
                dict(
                    norm1=weight(f"layers.{i}.input_layernorm.weight", hidden),
                    q=weight(at + "q_proj.weight", HEADS * SIZE, hidden),
                    k=weight(at + "k_proj.weight", KV_HEADS * SIZE, hidden),
                    v=weight(at + "v_proj.weight", KV_HEADS * SIZE, hidden),
                    o=weight(at + "o_proj.weight", hidden, HEADS * SIZE),
                    norm2=weight(f"layers.{i}.post_attention_layernorm.weight", hidden),
                    gate=weight(ff + "gate_proj.weight", forward, hidden),
                    up=weight(ff + "up_proj.weight", forward, hidden),
                    down=weight(ff + "down_proj.weight", hidden, forward),
                )
            )


def rms_norm(x, w):
    return x / np.sqrt(np.mean(x * x) + SMALL["rms_norm_epsilon"]) * w


def rotate(heads, place):
    """[heads, SIZE], halves layout."""
    half = SIZE // 2
    angle = place * SMALL["rope_theta"] ** (-2.0 * np.arange(half) / SIZE)
    first, second = heads[:, :half], heads[:, half:]
    return np.concatenate(
        [first * np.cos(angle) - second * np.sin(angle), second * np.cos(angle) + first * np.sin(angle)], axis=1
    )


class Stream:
    def __init__(self, network, sinks, layer_window=None):
        self.network, self.sinks, self.layer_window = network, sinks, layer_window
        self.tokens = []  # per stream token: per layer (key, value), unrotated
        self.notes = []

    def visible(self, t, b):
        """[(keys and values per layer, place)] of what stream token t sees, and its own place."""
        if t < self.sinks:
            return [(self.tokens[i], i) for i in range(t + 1)], t
        head = self.tokens[: self.sinks] + self.notes
        seen = [(entry, place) for place, entry in enumerate(head)]
        seen += [(self.tokens[u], len(head) + u - b) for u in range(b, t + 1)]
        return seen, len(head) + t - b

    def run(self, token, store, look):
        """Runs one token; `store` receives its keys and values per layer; `look()` says what it sees and its place."""
        x = self.network.embedding[token]
        for index, layer in enumerate(self.network.layers):
            h = rms_norm(x, layer["norm1"])
            query = (layer["q"] @ h).reshape(HEADS, SIZE)
            store.append(((layer["k"] @ h).reshape(KV_HEADS, SIZE), (layer["v"] @ h).reshape(KV_HEADS, SIZE)))
            seen, place = look()
            if self.layer_window:
                seen = [(entry, at) for entry, at in seen if place - at < self.layer_window]
            query = rotate(query, place)
            mixed = np.zeros((HEADS, SIZE))
            for head in range(HEADS):
                kv = head * KV_HEADS // HEADS
                scores = np.array([query[head] @ rotate(e[index][0], at)[kv] for e, at in seen]) / np.sqrt(SIZE)
                weights = np.exp(scores - scores.max())
                weights /= weights.sum()
                mixed[head] = sum(w * e[index][1][kv] for w, (e, _) in zip(weights, seen))
            x = x + layer["o"] @ mixed.reshape(-1)
            h = rms_norm(x, layer["norm2"])
            gate = layer["gate"] @ h
            x = x + layer["down"] @ (gate / (1.0 + np.exp(-gate)) * (layer["up"] @ h))
        return self.network.head @ rms_norm(x, self.network.norm)

    def feed(self, token, b):
        t = len(self.tokens)
        self.tokens.append([])
        return self.run(token, self.tokens[t], lambda: self.visible(t, b))

    def set_notes(self, tokens):
        self.notes = []
        for i, token in enumerate(tokens):
            self.notes.append([])

            def look(i=i):
                sinks = [(self.tokens[s], s) for s in range(min(self.sinks, len(self.tokens)))]
                return sinks + [(self.notes[j], self.sinks + j) for j in range(i + 1)], self.sinks + i

            self.run(token, self.notes[i], look)

    def rewind(self, r):
        del self.tokens[r:]


class Windows:
    """b(t) by the rule of the definition; turn starts make it turn-wise."""

    def __init__(self, sinks, window, turn_starts=()):
        self.sinks, self.window, self.turn_starts = sinks, window, turn_starts
        self.b, self.t, self.newest = sinks, 0, -1

    def next(self):
        t, w = self.t, self.window
        self.t += 1
        self.newest = max(self.newest, t)
        if t >= self.sinks and t - w + 1 > self.b:
            starts = [s for s in self.turn_starts if t - w + 1 <= s <= t]
            self.b = starts[0] if starts and t - starts[0] + 1 >= w / 2 else t - w + 1
        return self.b

    def rewind(self, r):
        self.t = r
        if r <= self.sinks:
            self.b, self.newest = self.sinks, r - 1
        else:
            assert self.b <= r
            self.b = min(r, max(self.b, self.newest - self.window + 1))


def play(network, name, sinks, window, script, notes=0, turn_starts=(), layer_window=None):
    """`script`: ("feed", count), ("notes", count), ("rewind", r). Logits of every fourth fed token and of the last."""
    stream, windows = Stream(network, sinks, layer_window), Windows(sinks, window, turn_starts)
    seed, steps = len(name), []
    for verb, number in script:
        seed += 1
        if verb == "feed":
            tokens, begins, rows = some_tokens(number, seed), [], []
            for i, token in enumerate(tokens):
                begins.append(windows.next())
                logits = stream.feed(token, begins[-1])
                if i % 4 == 3 or i == number - 1:
                    rows.append(dict(row=i, logits=[round(v, 7) for v in logits.tolist()]))
            steps.append(dict(feed=tokens, window_begin=begins, rows=rows))
        elif verb == "notes":
            tokens = some_tokens(number, seed)
            stream.set_notes(tokens)
            steps.append(dict(notes=tokens))
        else:
            stream.rewind(number)
            windows.rewind(number)
            steps.append(dict(rewind=number))
    return dict(
        name=name, sink_tokens=sinks, note_tokens=notes, window_tokens=window, layer_window=layer_window or 0, steps=steps
    )


def main():
    network = Network()
    turns = (0, 5, 11, 13, 20, 31, 33, 38)
    cases = [
        play(network, "no_sinks", 0, 7, [("feed", 30)]),
        play(network, "one_sink", 1, 7, [("feed", 30)]),
        play(network, "four_sinks", 4, 8, [("feed", 33)]),
        play(network, "turn_wise", 4, 12, [("feed", 40)], turn_starts=turns),
        play(network, "turn_wise_without_sinks", 0, 10, [("feed", 40)], turn_starts=turns),
        play(network, "notes", 3, 8, [("feed", 6), ("notes", 3), ("feed", 14), ("notes", 2), ("feed", 5), ("notes", 0),
                                      ("feed", 4)], notes=4),
        play(network, "notes_without_sinks", 0, 5, [("notes", 2), ("feed", 12)], notes=2),
        play(network, "notes_before_the_sinks_are_full", 4, 6, [("feed", 2), ("notes", 2), ("feed", 14)], notes=2),
        play(network, "rewind_in_the_window", 2, 10, [("feed", 25), ("rewind", 21), ("feed", 14)]),
        play(network, "rewind_into_the_sinks", 4, 6, [("feed", 20), ("rewind", 3), ("feed", 15)]),
        play(network, "layer_window", 2, 12, [("feed", 26)], layer_window=5),
    ]
    json.dump(dict(made_by="the definition, numpy, float64", cases=cases), sys.stdout)
    print()


if __name__ == "__main__":
    main()
