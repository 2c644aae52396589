"""A small network of the Llama family in plain torch.

What a token sees is not the network's business: forward() is given an *attention*, an object with

    begin(num_tokens, device)            before a forward pass over so many tokens
    (layer, query, key, value) -> mixed  all [batch, heads, tokens, head_size]; query and key are not rotated yet

CausalAttention below is the one for training; SinkWindowAttention (sink_window_attention.py) the one for streams.
"""

import torch
from torch import nn
from torch.nn import functional

from model.training.rotation import rotate, rotation


class CausalAttention:
    """Every token sees itself and all before it, as samples are trained."""

    def __init__(self, shape, zero_sink):
        self.shape, self.zero_sink = shape, zero_sink
        self.num_tokens, self.tables = 0, None

    def begin(self, num_tokens, device):
        if num_tokens != self.num_tokens:
            self.num_tokens = num_tokens
            self.tables = rotation(torch.arange(num_tokens, device=device), self.shape)

    def __call__(self, layer, query, key, value):
        query, key = (rotate(heads, self.tables).to(value.dtype) for heads in (query, key))
        return causal_attention(query, key, value, self.zero_sink)


def causal_attention(query, key, value, zero_sink):
    """Rotated heads [batch, heads, tokens, head_size] -> the same shape.

    The zero sink, exp(s_i) / (1 + sum_j exp(s_j)), is ordinary attention with one token in front whose key and value
    are zeros: its score is 0 and exp(0) is the one in the denominator. It gets a query too, so that the mask stays
    square and any kernel for causal attention will do.
    """
    if zero_sink:
        query, key, value = (functional.pad(heads, (0, 0, 1, 0)) for heads in (query, key, value))
    mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    return mixed[:, :, 1:] if zero_sink else mixed


class RmsNorm(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape.hidden_size))
        self.epsilon = shape.rms_norm_epsilon

    def forward(self, x):
        return functional.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class Block(nn.Module):
    def __init__(self, shape, layer):
        super().__init__()
        self.shape, self.layer = shape, layer
        self.attention_norm = RmsNorm(shape)
        self.query_key_value = nn.Linear(shape.hidden_size, 3 * shape.hidden_size, bias=False)
        self.mixed = nn.Linear(shape.hidden_size, shape.hidden_size, bias=False)
        self.feed_forward_norm = RmsNorm(shape)
        self.gate_up = nn.Linear(shape.hidden_size, 2 * shape.feed_forward_size, bias=False)
        self.down = nn.Linear(shape.feed_forward_size, shape.hidden_size, bias=False)

    def forward(self, x, attention):
        batch, tokens, hidden = x.shape
        heads = self.query_key_value(self.attention_norm(x))
        heads = heads.view(batch, tokens, 3, self.shape.num_heads, self.shape.head_size).permute(2, 0, 3, 1, 4)
        mixed = attention(self.layer, *heads)
        x = x + self.mixed(mixed.transpose(1, 2).reshape(batch, tokens, hidden))
        gate, up = self.gate_up(self.feed_forward_norm(x)).chunk(2, dim=-1)
        return x + self.down(functional.silu(gate) * up)


class Network(nn.Module):
    """Weights only: the three variants are the same network under different attentions and inputs."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab_size, shape.hidden_size)  # the output matrix, too
        self.blocks = nn.ModuleList(Block(shape, layer) for layer in range(shape.num_layers))
        self.norm = RmsNorm(shape)

    def initialize(self, seed):
        """The same weights for the same seed and shape, on any device: drawn on the CPU. Returns self."""
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            if weight.dim() < 2:
                continue
            # What is added to the residual stream 2 * num_layers times starts smaller, as in GPT-2.
            adds = name.endswith(("mixed.weight", "down.weight"))
            scale = 0.02 / (2 * self.shape.num_layers) ** 0.5 if adds else 0.02
            with torch.no_grad():
                weight.copy_(torch.randn(weight.shape, generator=generator) * scale)
        return self

    def num_parameters(self):
        return sum(weight.numel() for weight in self.parameters())

    def forward(self, tokens, attention):
        """`tokens` [batch, tokens] -> logits [batch, tokens, vocab_size]."""
        attention.begin(tokens.shape[1], tokens.device)
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, attention)
        return functional.linear(self.norm(x), self.embedding.weight)
