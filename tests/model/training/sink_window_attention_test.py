"""Streams through sinks and a window, against the definition computed token by token."""

import unittest

from tiny_run import SHAPE, random_network, random_tokens  # first: skips where torch is missing

import torch

from model.training.network import CausalAttention
from model.training.sink_window_attention import SinkWindowAttention

WINDOW_CASES = [(sinks, cache, zero_sink) for sinks, cache in ((0, 6), (1, 7), (2, 9), (4, 5), (4, 12))
                for zero_sink in (False, True)]


def rotated(heads, place):
    """Heads [heads, size] at `place`: pairs (i, i + size / 2) as complex numbers, turned."""
    half = SHAPE.head_size // 2
    angles = place * SHAPE.rope_theta ** (-torch.arange(half, dtype=torch.float64) / half)
    turned = torch.complex(heads[:, :half], heads[:, half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], dim=1)


def rms_norm(x, norm):
    return x / (x.pow(2).mean() + SHAPE.rms_norm_epsilon).sqrt() * norm.weight


def naive_logits(network, tokens, sinks, cache, zero_sink):
    """One stream, one token at a time; keys are kept unrotated and what a token sees is listed and put side by side."""
    kept = [[] for _ in network.blocks]
    rows = []
    for t, token in enumerate(tokens):
        begin = max(sinks, t - (cache - sinks) + 1)
        seen = list(range(min(sinks, t + 1))) + list(range(begin, t + 1))
        x = network.embedding.weight[token]
        for block, memory in zip(network.blocks, kept):
            weights = block.query_key_value.weight @ rms_norm(x, block.attention_norm)
            query, key, value = weights.view(3, SHAPE.num_heads, SHAPE.head_size)
            memory.append((key, value))
            query = rotated(query, len(seen) - 1)
            scores = torch.stack([(query * rotated(memory[u][0], place)).sum(dim=1) for place, u in enumerate(seen)])
            powers = (scores / SHAPE.head_size**0.5).exp()
            shares = powers / (powers.sum(dim=0) + (1 if zero_sink else 0))
            mixed = sum(share[:, None] * memory[u][1] for share, u in zip(shares, seen))
            x = x + block.mixed.weight @ mixed.reshape(-1)
            gate, up = (block.gate_up.weight @ rms_norm(x, block.feed_forward_norm)).chunk(2)
            x = x + block.down.weight @ (gate * torch.sigmoid(gate) * up)
        rows.append(network.embedding.weight @ rms_norm(x, network.norm))
    return torch.stack(rows)


@torch.no_grad()
def streamed_logits(network, tokens, attention, chunk_tokens):
    return torch.cat([network(chunk, attention) for chunk in tokens.split(chunk_tokens, dim=1)], dim=1)


class SinkWindowAttentionTest(unittest.TestCase):
    def test_equals_the_definition_in_chunks_of_any_size(self):
        network, tokens = random_network(), random_tokens(2, 40)
        for sinks, cache, zero_sink in WINDOW_CASES:
            with torch.no_grad():
                expected = torch.stack([naive_logits(network, row, sinks, cache, zero_sink) for row in tokens.tolist()])
            for chunk_tokens in (1, 3, 40):
                with self.subTest(sinks=sinks, cache=cache, zero_sink=zero_sink, chunk_tokens=chunk_tokens):
                    attention = SinkWindowAttention(SHAPE, zero_sink, sinks, cache)
                    logits = streamed_logits(network, tokens, attention, chunk_tokens)
                    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)

    def test_another_split_of_the_cache_is_another_computation(self):
        network, tokens = random_network(), random_tokens(1, 40)
        logits = [streamed_logits(network, tokens, SinkWindowAttention(SHAPE, zero, sinks, 8), 40)[0, -1]
                  for sinks, zero in ((0, False), (1, False), (1, True))]
        self.assertGreater((logits[0] - logits[1]).abs().max(), 0.01)
        self.assertGreater((logits[1] - logits[2]).abs().max(), 0.01)

    def test_without_eviction_it_is_the_attention_of_training(self):
        network, tokens = random_network(), random_tokens(2, 20)
        for zero_sink in (False, True):
            with torch.no_grad():
                expected = network(tokens, CausalAttention(SHAPE, zero_sink))
            logits = streamed_logits(network, tokens, SinkWindowAttention(SHAPE, zero_sink, 3, 20), 7)
            torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)

    def test_even_attention_gives_each_sink_the_same_share(self):
        network, tokens = random_network(), random_tokens(2, 30)
        with torch.no_grad():
            for block in network.blocks:
                block.query_key_value.weight[: SHAPE.hidden_size] = 0  # queries of zeros: all scores are 0
        for zero_sink, share in ((False, 1 / 8), (True, 1 / 9)):
            attention = SinkWindowAttention(SHAPE, zero_sink, 2, 8)
            streamed_logits(network, tokens, attention, 7)
            shares = torch.tensor(attention.mean_sink_attention())
            self.assertEqual(shares.shape, (SHAPE.num_layers, 2 + zero_sink))
            torch.testing.assert_close(shares, torch.full_like(shares, share))

    def test_a_cache_without_a_window_is_refused(self):
        with self.assertRaisesRegex(ValueError, "sink_tokens is 4; it must be from 0 to cache_tokens - 1, 3"):
            SinkWindowAttention(SHAPE, False, 4, 4)


if __name__ == "__main__":
    unittest.main()
