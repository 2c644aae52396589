"""Training: the same samples for all, interruptions without a trace, and the way from text to results."""

import contextlib
import io
import json
import unittest
from unittest import mock

# First: skips where torch is missing.
from tiny_run import SHAPE, prepare_tiny_text, random_network, random_tokens, temporary_folder

import torch

from model.training import everything, train
from model.training.choices import SIZES, VARIANTS
from model.training.evaluate import stream_losses
from model.training.sink_window_attention import SinkWindowAttention
from model.training.token_stream import Samples, TextFolder, held_out_streams


class TokenStreamTest(unittest.TestCase):
    def test_a_step_always_has_the_same_samples(self):
        tokens = torch.arange(1000, dtype=torch.int32)
        one, other = (Samples(tokens, 10, 4, seed=2) for _ in range(2))
        self.assertTrue(torch.equal(one.at(7), other.at(7)))
        self.assertFalse(torch.equal(one.at(7), one.at(8)))
        self.assertTrue(torch.equal(one.at(7).diff(), torch.ones(4, 10, dtype=torch.int64)))

    def test_streams_do_not_overlap(self):
        streams = held_out_streams(torch.arange(100, dtype=torch.int32), 3, 30)
        self.assertEqual(streams[:, 0].tolist(), [0, 33, 66])
        with self.assertRaisesRegex(ValueError, "need 120; only 100 are held out"):
            held_out_streams(torch.arange(100), 4, 30)


class StreamLossesTest(unittest.TestCase):
    def test_chunks_and_the_sink_token_leave_the_predictions_in_place(self):
        network, streams = random_network(), random_tokens(2, 23)
        for sink_token_id in (None, 28):
            front = [] if sink_token_id is None else [torch.full((2, 1), sink_token_id)]
            fed = torch.cat([*front, streams], dim=1)
            with torch.no_grad():
                logits = network(fed, SinkWindowAttention(SHAPE, False, 1, 8))[:, len(front):-1]
            expected = -logits.log_softmax(dim=-1).gather(2, streams[:, 1:, None])[:, :, 0]
            for chunk_tokens in (1, 5, 100):
                attention = SinkWindowAttention(SHAPE, False, 1, 8)
                losses = stream_losses(network, attention, streams, sink_token_id, chunk_tokens)
                torch.testing.assert_close(losses, expected, atol=1e-5, rtol=1e-5)


class TrainTest(unittest.TestCase):
    def setUp(self):
        self.folder = temporary_folder(self)
        prepare_tiny_text(self.folder / "text")
        self.text = TextFolder(self.folder / "text")
        self.shape = SIZES["tiny"].shape(self.text.vocab_size)

    def trainer(self, variant, steps):
        return train.Trainer(variant, SIZES["tiny"], self.shape, steps, torch.device("cpu"), torch.float32,
                             self.text.sink_token_id, seed=1)

    def samples(self):
        return Samples(self.text.train_tokens(), 64, 8, seed=1)

    def run_all(self, *flags):
        """(standard output, standard error) of the whole recipe."""
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            everything.main([f"--text={self.folder / 'text'}", f"--run={self.folder / 'run'}", "--size=tiny",
                             "--device=cpu", "--streams=2", "--stream_tokens=300", *flags])
        return output.getvalue(), errors.getvalue()

    def test_variants_begin_with_the_same_weights_and_learn(self):
        for variant in VARIANTS:
            trainer, samples = self.trainer(variant, 30), self.samples()
            losses = [float(trainer.advance(samples.at(step))) for step in range(30)]
            self.assertAlmostEqual(losses[0], 5.55, delta=0.1)  # log(258)
            self.assertLess(losses[-1], 3.5, variant.name)

    def test_an_interruption_leaves_no_trace(self):
        variant, samples, states = VARIANTS[2], self.samples(), []
        whole = self.trainer(variant, 6)
        with contextlib.redirect_stderr(io.StringIO()):
            train.train(whole, samples, lambda state: None)
            first = self.trainer(variant, 6)
            with mock.patch.object(samples, "at", side_effect=[samples.at(0), samples.at(1), KeyboardInterrupt()]):
                with self.assertRaisesRegex(SystemExit, "interrupted after step 2"):
                    train.train(first, samples, states.append)
            second = self.trainer(variant, 6)
            second.restore(states[-1])
            train.train(second, samples, lambda state: None)
        self.assertEqual(whole.losses, second.losses)
        for one, other in zip(whole.network.parameters(), second.network.parameters()):
            self.assertTrue(torch.equal(one, other))

    def test_the_whole_recipe(self):
        output, _ = self.run_all("--steps=3")
        self.assertIn("0+32", output)
        results = json.loads((self.folder / "run/results.json").read_text())
        self.assertEqual([model["name"] for model in results["models"]], [variant.name for variant in VARIANTS])
        for model in results["models"]:
            self.assertEqual([c["sink_tokens"] for c in model["configurations"]], [0, 1, 2, 4])
            self.assertEqual(len(model["configurations"][0]["perplexity_of_blocks"]), 10)
            self.assertEqual(len(model["attention_to_sinks"]["layers"]), SIZES["tiny"].num_layers)
            self.assertTrue((self.folder / "run/export" / model["name"] / "model.safetensors").exists())
        _, errors = self.run_all("--steps=3")
        self.assertNotIn("loss", errors)  # a finished run is not trained again
        with self.assertRaisesRegex(SystemExit, "whose steps is 3, not 4"):
            self.run_all("--steps=4")

    def test_seconds_give_all_variants_the_same_steps(self):
        with mock.patch.object(train, "seconds_per_step", side_effect=[0.1, 0.3, 0.2]):
            self.run_all("--seconds=1.3")
        self.assertEqual(json.loads((self.folder / "run/run.json").read_text())["steps"], 2)


if __name__ == "__main__":
    unittest.main()
