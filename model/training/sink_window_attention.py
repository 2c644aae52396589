"""Attention over a stream with a cache of constant size: sinks and a window (ARCHITECTURE.md, "What a token sees").

Token t sees the sinks 0 … S-1 and the window b(t) … t, where b(t) = max(S, t - W + 1). Distances are distances inside
the cache: token t stands at place p(t) = S + t - b(t). Computed in two-query form: every key is rotated once by its own
index; a query is rotated by t for the window and by p(t) for the sinks; one softmax runs over both groups of scores.
"""

import torch

from model.training.rotation import rotate, rotation


class SinkWindowAttention:
    """The state of one batch of streams that grow together. Feed them in chunks of any size, first token first."""

    def __init__(self, shape, zero_sink, sink_tokens, cache_tokens):
        if not 0 <= sink_tokens < cache_tokens:
            raise ValueError(f"sink_tokens is {sink_tokens}; it must be from 0 to cache_tokens - 1, {cache_tokens - 1}")
        self.shape, self.zero_sink = shape, zero_sink
        self.sinks, self.window = sink_tokens, cache_tokens - sink_tokens
        self.next = 0  # index of the stream's next token
        self.caches = {}  # layer -> (sink keys, sink values, window keys, window values); keys rotated
        # Attention that full caches gave to the zero sink (if any) and to each sink; per layer, summed over queries.
        self.sink_attention = {}
        self.full_queries = 0

    def begin(self, num_tokens, device):
        first, self.next = self.next, self.next + num_tokens
        t = torch.arange(first, self.next, device=device)
        begin = (t - self.window + 1).clamp(min=self.sinks)
        place = torch.where(t < self.sinks, t, self.sinks + t - begin)
        sink = torch.arange(min(self.sinks, self.next), device=device)
        oldest = max(self.sinks, first - self.window + 1)  # what the caches still hold, and the chunk
        windowed = torch.arange(oldest, max(oldest, self.next), device=device)
        self.new_sinks = min(max(self.sinks - first, 0), num_tokens)
        self.by_place, self.by_index = rotation(place, self.shape), rotation(t, self.shape)
        sees_sink = sink <= t[:, None]
        sees_windowed = (windowed >= begin[:, None]) & (windowed <= t[:, None])
        self.hidden = ~torch.cat([sees_sink, sees_windowed], dim=1)
        self.full = t >= self.sinks + self.window - 1
        self.full_queries += int(self.full.sum())

    def __call__(self, layer, query, key, value):
        key = rotate(key, self.by_index)
        sink_keys, sink_values, window_keys, window_values = self.extend(layer, key, value)
        scores = torch.cat([rotate(query, self.by_place) @ sink_keys.mT, rotate(query, self.by_index) @ window_keys.mT],
                           dim=-1) / self.shape.head_size**0.5
        scores = scores.masked_fill(self.hidden, float("-inf"))
        if self.zero_sink:
            scores = torch.cat([torch.zeros_like(scores[..., :1]), scores], dim=-1)
        weights = scores.softmax(dim=-1)
        self.count_sinks(layer, weights)
        weights = weights[..., 1:] if self.zero_sink else weights
        num_sinks = sink_keys.shape[2]
        self.keep(layer, sink_keys, sink_values, window_keys, window_values)
        return weights[..., :num_sinks] @ sink_values + weights[..., num_sinks:] @ window_values

    def extend(self, layer, key, value):
        """What the chunk's queries may see: the cache as it was, and the chunk's own keys and values."""
        new = (key[:, :, :self.new_sinks], value[:, :, :self.new_sinks],
               key[:, :, self.new_sinks:], value[:, :, self.new_sinks:])
        if layer not in self.caches:
            return new
        return tuple(torch.cat([old, more], dim=2) for old, more in zip(self.caches[layer], new))

    def keep(self, layer, sink_keys, sink_values, window_keys, window_values):
        """The next token's window holds itself and W - 1 of these."""
        first = max(0, window_keys.shape[2] - (self.window - 1))
        self.caches[layer] = (sink_keys, sink_values, window_keys[:, :, first:], window_values[:, :, first:])

    def count_sinks(self, layer, weights):
        sinks = weights[:, :, self.full, :self.sinks + self.zero_sink]
        if sinks.numel() > 0:
            total = sinks.float().mean(dim=(0, 1)).sum(dim=0)
            self.sink_attention[layer] = self.sink_attention.get(layer, 0) + total

    def mean_sink_attention(self):
        """Per layer, the share of attention that full caches gave to the zero sink (if any) and to each sink."""
        return [(total / self.full_queries).tolist() for _, total in sorted(self.sink_attention.items())]
