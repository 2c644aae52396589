"""What the tests of the recipe share: a network with random weights, and a prepared text of repeated words."""

import pathlib
import tempfile
import unittest

try:
    import torch
except ImportError as error:
    raise unittest.SkipTest("needs the Python package torch; see model/training/README.md") from error

from model.training.choices import Shape
from model.training.network import Network
from model.training.prepare import prepare

SHAPE = Shape(vocab_size=29, num_layers=2, hidden_size=16, num_heads=2, feed_forward_size=24, context_tokens=32,
              rope_theta=100.0)


def temporary_folder(test):
    """A folder for the test's files; gone when it ends."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    return pathlib.Path(folder.name)


def random_network(shape=SHAPE, seed=5):
    """Float64, with weights large enough that attention is far from even."""
    network = Network(shape).initialize(seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(15) if weight.dim() > 1 else weight.add_(
                0.1 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
    return network


def random_tokens(batch, tokens, seed=3):
    return torch.randint(SHAPE.vocab_size, (batch, tokens), generator=torch.Generator().manual_seed(seed))


def prepare_tiny_text(folder):
    return prepare(folder, ["the cat sat on the mat and saw the dog\n" * 400], [], "bytes", 0.25)
