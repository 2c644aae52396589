"""Each trained model as a Hugging Face directory, for perenniald, perennial-eval and, where they can, others.

All are LlamaForCausalLM. Two keys of config.json are this project's own:
  "sink_token_id": ID   the model was trained with this token in front: it begins every stream and is its one sink
  "zero_sink": true     softmax with one added to the denominator; software that ignores the key computes another model
"""

import argparse
import ctypes
import json
import pathlib
import shutil
import sys

import torch

from model.training.choices import VARIANTS
from model.training.prepare import END_TOKEN, SINK_TOKEN
from model.training.run_folder import RunFolder
from model.training.token_stream import TextFolder

DTYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}


def hugging_face_tensors(network):
    """The weights under the names, and cut into the matrices, of LlamaForCausalLM."""
    tensors = {"model.embed_tokens.weight": network.embedding.weight, "model.norm.weight": network.norm.weight}
    for layer, block in enumerate(network.blocks):
        name = f"model.layers.{layer}."
        query, key, value = block.query_key_value.weight.chunk(3)
        gate, up = block.gate_up.weight.chunk(2)
        tensors.update({
            name + "input_layernorm.weight": block.attention_norm.weight,
            name + "self_attn.q_proj.weight": query,
            name + "self_attn.k_proj.weight": key,
            name + "self_attn.v_proj.weight": value,
            name + "self_attn.o_proj.weight": block.mixed.weight,
            name + "post_attention_layernorm.weight": block.feed_forward_norm.weight,
            name + "mlp.gate_proj.weight": gate,
            name + "mlp.up_proj.weight": up,
            name + "mlp.down_proj.weight": block.down.weight,
        })
    return tensors


def write_safetensors(path, tensors, dtype):
    """The format: the header's length (8 bytes, little-endian), the header (JSON), the tensors one after the other."""
    header, values, end = {"__metadata__": {"format": "pt"}}, [], 0
    for name, tensor in tensors.items():
        value = tensor.detach().to("cpu", getattr(torch, dtype)).contiguous()
        begin, end = end, end + value.numel() * value.element_size()
        header[name] = {"dtype": DTYPES[dtype], "shape": list(value.shape), "data_offsets": [begin, end]}
        values.append(value)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in values:
            file.write(ctypes.string_at(value.data_ptr(), value.numel() * value.element_size()))


def config_of(variant, shape, text, dtype):
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size, "intermediate_size": shape.feed_forward_size,
        "num_hidden_layers": shape.num_layers, "num_attention_heads": shape.num_heads,
        "num_key_value_heads": shape.num_heads, "head_dim": shape.head_size, "hidden_act": "silu",
        "max_position_embeddings": shape.context_tokens, "rms_norm_eps": shape.rms_norm_epsilon,
        "rope_theta": shape.rope_theta, "rope_scaling": None, "attention_bias": False, "mlp_bias": False,
        "tie_word_embeddings": True, "bos_token_id": None, "eos_token_id": text.end_token_id, "torch_dtype": dtype,
    }
    if variant.sink_token:
        config["sink_token_id"] = text.sink_token_id
    if variant.zero_sink:
        config["zero_sink"] = True
    return config


def export_network(folder, variant, network, text, dtype):
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", hugging_face_tensors(network), dtype)
    config = config_of(variant, network.shape, text, dtype)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(text.path / "tokenizer.json", folder / "tokenizer.json")
    tokenizer_config = {"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": False, "bos_token": None,
                        "eos_token": END_TOKEN, "additional_special_tokens": [SINK_TOKEN],
                        "model_max_length": network.shape.context_tokens, "clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=2) + "\n", encoding="utf-8")


def add_arguments(parser):
    parser.add_argument("--export_dtype", choices=DTYPES, default="float32", help="of the weights (float32)")


def export_run(args):
    run, text = RunFolder(args.run), TextFolder(args.text)
    for variant in VARIANTS:
        network, _ = run.trained_network(variant)
        folder = run.path / "export" / variant.name
        export_network(folder, variant, network, text, args.export_dtype)
        print(folder, file=sys.stderr)


def main(words):
    parser = argparse.ArgumentParser(prog="python3 -m model.training export", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=pathlib.Path, required=True, help="folder made by prepare")
    parser.add_argument("--run", type=pathlib.Path, required=True, help="folder of a finished run")
    add_arguments(parser)
    export_run(parser.parse_args(words))
