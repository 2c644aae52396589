"""Exported models, read back by the format's definition, and by other software where it is installed."""

import importlib.util
import json
import types
import unittest

from tiny_run import SHAPE, random_network, random_tokens, temporary_folder  # first: skips where torch is missing

import torch

from model.training.choices import VARIANTS
from model.training.export import export_network
from model.training.network import CausalAttention


def read_safetensors(path):
    """By the format's definition: header length, header, bytes."""
    bytes_ = path.read_bytes()
    length = int.from_bytes(bytes_[:8], "little")
    header, body = json.loads(bytes_[8:8 + length]), bytes_[8 + length:]
    dtypes = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            values = torch.frombuffer(bytearray(body[begin:end]), dtype=dtypes[entry["dtype"]])
            tensors[name] = values.view(entry["shape"])
    return tensors


class ExportTest(unittest.TestCase):
    def setUp(self):
        self.folder = temporary_folder(self)
        (self.folder / "tokenizer.json").write_text("{}")
        self.text = types.SimpleNamespace(path=self.folder, sink_token_id=28, end_token_id=27)
        self.network = random_network().float()

    def export(self, variant, dtype="float32"):
        folder = self.folder / variant.name
        export_network(folder, variant, self.network, self.text, dtype)
        return folder, json.loads((folder / "config.json").read_text())

    def test_config_names_the_sinks(self):
        configs = [self.export(variant)[1] for variant in VARIANTS]
        self.assertEqual([config.get("sink_token_id") for config in configs], [None, None, 28])
        self.assertEqual([config.get("zero_sink") for config in configs], [None, True, None])
        for config in configs:
            self.assertEqual(config["architectures"], ["LlamaForCausalLM"])
            self.assertIsNone(config["bos_token_id"])
            self.assertEqual(config["eos_token_id"], 27)

    def test_weights_come_back(self):
        folder, _ = self.export(VARIANTS[0])
        tensors = read_safetensors(folder / "model.safetensors")
        self.assertEqual(len(tensors), 2 + 9 * SHAPE.num_layers)
        self.assertTrue(torch.equal(tensors["model.embed_tokens.weight"], self.network.embedding.weight))
        block, name = self.network.blocks[1], "model.layers.1."
        projections = [tensors[name + f"self_attn.{part}_proj.weight"] for part in "qkv"]
        self.assertTrue(torch.equal(torch.cat(projections), block.query_key_value.weight))
        gate_up = [tensors[name + f"mlp.{part}_proj.weight"] for part in ("gate", "up")]
        self.assertTrue(torch.equal(torch.cat(gate_up), block.gate_up.weight))

    def test_weights_can_be_rounded(self):
        for dtype in ("bfloat16", "float16"):
            folder, config = self.export(VARIANTS[1], dtype)
            self.assertEqual(config["torch_dtype"], dtype)
            norm = read_safetensors(folder / "model.safetensors")["model.norm.weight"]
            self.assertTrue(torch.equal(norm, self.network.norm.weight.to(getattr(torch, dtype))))

    @unittest.skipUnless(importlib.util.find_spec("safetensors"), "the package safetensors is not installed")
    def test_safetensors_reads_the_same(self):
        from safetensors.torch import load_file
        folder, _ = self.export(VARIANTS[0])
        ours, theirs = read_safetensors(folder / "model.safetensors"), load_file(folder / "model.safetensors")
        self.assertEqual(ours.keys(), theirs.keys())
        self.assertTrue(all(torch.equal(ours[name], theirs[name]) for name in ours))

    @unittest.skipUnless(importlib.util.find_spec("transformers"), "the package transformers is not installed")
    def test_transformers_computes_the_same(self):
        from transformers import LlamaForCausalLM
        folder, _ = self.export(VARIANTS[0])
        tokens = random_tokens(2, 30)
        with torch.no_grad():
            expected = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)(tokens).logits
            logits = self.network(tokens, CausalAttention(SHAPE, False))
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


if __name__ == "__main__":
    unittest.main()
