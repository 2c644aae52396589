"""The network and the attention of training."""

import unittest

from tiny_run import SHAPE, random_network, random_tokens  # first: skips where torch is missing

import torch

from model.training.network import CausalAttention, Network, causal_attention


class ZeroSinkTest(unittest.TestCase):
    def setUp(self):
        generator = torch.Generator().manual_seed(1)
        self.heads = [torch.randn(2, 3, 11, 8, generator=generator, dtype=torch.float64) for _ in range(3)]

    def formula(self, one):
        """exp(s_i) / (one + sum_j exp(s_j)), term by term."""
        query, key, value = self.heads
        scores = torch.einsum("bhtd,bhud->bhtu", query, key) / 8**0.5
        powers = scores.exp() * torch.ones(11, 11, dtype=torch.float64).tril()
        return torch.einsum("bhtu,bhud->bhtd", powers / (one + powers.sum(dim=-1, keepdim=True)), value)

    def test_adds_one_to_the_denominator(self):
        torch.testing.assert_close(causal_attention(*self.heads, zero_sink=True), self.formula(one=1))

    def test_without_it_attention_is_softmax(self):
        torch.testing.assert_close(causal_attention(*self.heads, zero_sink=False), self.formula(one=0))

    def test_gradients_follow_the_formula(self):
        for heads in self.heads:
            heads.requires_grad_()
        found = torch.autograd.grad(causal_attention(*self.heads, zero_sink=True).square().sum(), self.heads)
        expected = torch.autograd.grad(self.formula(one=1).square().sum(), self.heads)
        for one, other in zip(found, expected):
            torch.testing.assert_close(one, other)


class NetworkTest(unittest.TestCase):
    def test_sees_nothing_of_the_future(self):
        network, tokens = random_network(), random_tokens(1, 12)
        changed = tokens.clone()
        changed[0, 7] = (changed[0, 7] + 1) % SHAPE.vocab_size
        with torch.no_grad():
            before, after = (network(t, CausalAttention(SHAPE, False)) for t in (tokens, changed))
        torch.testing.assert_close(before[:, :7], after[:, :7])
        self.assertGreater((before[:, 7:] - after[:, 7:]).abs().min(dim=-1).values.max(), 0)

    def test_a_seed_gives_the_same_weights(self):
        one, same, other = (Network(SHAPE).initialize(seed).state_dict() for seed in (1, 1, 2))
        self.assertTrue(all(torch.equal(one[name], same[name]) for name in one))
        self.assertFalse(torch.equal(one["embedding.weight"], other["embedding.weight"]))


if __name__ == "__main__":
    unittest.main()
