"""Prepared tokens: what every step of training sees, and the held-out streams.

Both depend on nothing but their arguments: all variants get the same samples in the same order, and a run that goes on
after an interruption gets the samples that it would have got.
"""

import json
import pathlib

import torch


class TextFolder:
    """A folder written by prepare.py."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        if not (self.path / "text.json").exists():
            raise FileNotFoundError(f"{self.path} has no text.json; make it with: python3 -m model.training prepare")
        facts = json.loads((self.path / "text.json").read_text(encoding="utf-8"))
        self.facts = facts
        self.vocab_size, self.sink_token_id = facts["vocab_size"], facts["sink_token_id"]
        self.end_token_id = facts["end_token_id"]

    def train_tokens(self):
        return self.read("train.tokens", self.facts["train_tokens"])

    def held_out_tokens(self):
        return self.read("held_out.tokens", self.facts["held_out_tokens"])

    def read(self, name, count):
        path = self.path / name
        if path.stat().st_size != 2 * count:
            raise ValueError(f"{path} has {path.stat().st_size} bytes; text.json says {count} tokens of 2 bytes")
        return torch.from_file(str(path), shared=False, size=count, dtype=torch.int16).to(torch.int32)


class Samples:
    """Random samples of `length` + 1 tokens. `tokens` is one-dimensional, int32, on the device of training."""

    def __init__(self, tokens, length, batch_samples, seed):
        if len(tokens) <= length:
            raise ValueError(f"the text has {len(tokens)} tokens; samples need more than {length}")
        self.tokens, self.length, self.batch_samples, self.seed = tokens, length, batch_samples, seed

    def at(self, step):
        """The step's batch: [batch_samples, length + 1], int64."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        starts = torch.randint(len(self.tokens) - self.length, (self.batch_samples, 1), generator=generator)
        # Without waiting for the device, which may still be at earlier steps.
        starts = starts.to(self.tokens.device, non_blocking=True)
        places = starts + torch.arange(self.length + 1, device=self.tokens.device)
        return self.tokens[places].long()


def held_out_streams(tokens, num_streams, stream_tokens):
    """[num_streams, stream_tokens], int64: streams that do not overlap, evenly spaced over the held-out text."""
    if num_streams * stream_tokens > len(tokens):
        raise ValueError(f"{num_streams} streams of {stream_tokens} tokens need {num_streams * stream_tokens:,}; only "
                         f"{len(tokens):,} are held out: lower --streams or --stream_tokens, or hold out more text")
    starts = torch.arange(num_streams) * (len(tokens) // num_streams)
    return tokens[starts[:, None] + torch.arange(stream_tokens)].long()
