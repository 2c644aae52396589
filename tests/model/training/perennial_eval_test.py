"""From training to the C++ program: each exported model predicts a text there as it does here, past the cache, too."""

import json
import math
import os
import subprocess
import unittest

from tiny_run import prepare_tiny_text, random_network, temporary_folder  # first: skips where torch is missing

import torch

from model.training.choices import VARIANTS, Shape
from model.training.evaluate import stream_losses
from model.training.export import export_network
from model.training.prepare import ByteVocabulary
from model.training.sink_window_attention import SinkWindowAttention
from model.training.token_stream import TextFolder

PROGRAM = os.environ.get("PERENNIAL_EVAL_PROGRAM")
WORDS = "It was a bright cold day, and the clocks were striking; who would wind them up again? " * 4
CACHE_TOKENS = 24


@unittest.skipUnless(PROGRAM, "PERENNIAL_EVAL_PROGRAM names no perennial-eval (./dev test training does)")
class PerennialEvalTest(unittest.TestCase):
    def setUp(self):
        self.folder = temporary_folder(self)
        prepare_tiny_text(self.folder / "text")
        self.text = TextFolder(self.folder / "text")
        (self.folder / "words.txt").write_text(WORDS, encoding="utf-8")
        shape = Shape(self.text.vocab_size, num_layers=2, hidden_size=32, num_heads=2, feed_forward_size=48,
                      context_tokens=64)
        self.network = random_network(shape).float()

    def measured(self, variant, flags):
        words = [PROGRAM, "perplexity", f"--model={self.folder / variant.name}", f"--text={self.folder / 'words.txt'}",
                 "--tokens=0", f"--cache_tokens={CACHE_TOKENS}", "--threads=1", "--json", *flags]
        return json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)

    def test_streams_are_predicted_alike(self):
        streams = torch.tensor([list(ByteVocabulary().encode(WORDS))])
        for variant in VARIANTS:
            export_network(self.folder / variant.name, variant, self.network, self.text, "float32")
            for sinks in (0, 1, 4):
                attention = SinkWindowAttention(self.network.shape, variant.zero_sink, sinks, CACHE_TOKENS)
                sink_token_id = self.text.sink_token_id if variant.sink_token else None
                with self.subTest(variant=variant.name, sinks=sinks), torch.no_grad():
                    expected = math.exp(stream_losses(self.network, attention, streams, sink_token_id).double().mean())
                    measured = self.measured(variant, [f"--sink_tokens={sinks}"])["perplexity"]
                    self.assertAlmostEqual(measured / expected, 1, delta=1e-4)

    def test_a_sink_token_makes_one_sink_the_default(self):
        for variant in VARIANTS:
            export_network(self.folder / variant.name, variant, self.network, self.text, "float32")
            with self.subTest(variant=variant.name):
                sinks = 1 if variant.sink_token else 4
                default, given = self.measured(variant, []), self.measured(variant, [f"--sink_tokens={sinks}"])
                other = self.measured(variant, [f"--sink_tokens={5 - sinks}"])
                self.assertEqual(default["perplexity"], given["perplexity"])
                self.assertNotEqual(default["perplexity"], other["perplexity"])


if __name__ == "__main__":
    unittest.main()
