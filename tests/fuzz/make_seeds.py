#!/usr/bin/env python3
"""Writes seeds for the fuzz targets: small, valid checkpoints cut from a real GGUF file, and hand-made ones.

    make_seeds.py MODEL.gguf OUT_DIR

creates OUT_DIR/gguf_fuzz and OUT_DIR/hugging_face_fuzz. Needs nothing but Python. The cut keeps the real file's keys
and the first bytes of its tensors, but narrows the network to one layer of width 64 and 64 tokens. Without the file
only the hand-made seeds are written; those of the other model families come from family_seeds.py.
"""

import json
import pathlib
import struct
import sys

import family_seeds

# GGUF's scalar value types: number -> struct letter.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
# Tensor types: number -> (elements per block, bytes per block).
BLOCKS = {0: (1, 4), 1: (1, 2), 30: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
          12: (256, 144), 13: (256, 176), 14: (256, 210)}
F32, F16 = 0, 1


class Reader:
    def __init__(self, data):
        self.data, self.place = data, 0

    def scalar(self, letter):
        value, = struct.unpack_from("<" + letter, self.data, self.place)
        self.place += struct.calcsize(letter)
        return value

    def string(self):
        size = self.scalar("Q")
        self.place += size
        return self.data[self.place - size:self.place]

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind != ARRAY:
            return self.scalar(SCALARS[kind])
        element, size = self.scalar("I"), self.scalar("Q")
        return element, [self.value(element) for _ in range(size)]


def write_string(text):
    return struct.pack("<Q", len(text)) + text


def write_value(kind, value):
    if kind == STRING:
        return write_string(value)
    if kind != ARRAY:
        return struct.pack("<" + SCALARS[kind], value)
    element, values = value
    return struct.pack("<IQ", element, len(values)) + b"".join(write_value(element, v) for v in values)


def write_gguf(keys, tensors, version=3, alignment=32):
    """keys: [(name, kind, value)]; tensors: [(name, dims innermost first, type, bytes)]."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    for name, kind, value in keys:
        out += write_string(name) + struct.pack("<I", kind) + write_value(kind, value)
    body = b""
    for name, dims, kind, content in tensors:
        body += bytes(-len(body) % alignment)
        out += write_string(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        out += struct.pack("<IQ", kind, len(body))
        body += content
    return out + bytes(-len(out) % alignment) + body


def size_of(dims, kind):
    elements = 1
    for size in dims:
        elements *= size
    return elements // BLOCKS[kind][0] * BLOCKS[kind][1]


def read_model(path):
    data = path.read_bytes()
    reader = Reader(data)
    reader.place = 8
    num_tensors, num_keys = reader.scalar("Q"), reader.scalar("Q")
    keys = []
    for _ in range(num_keys):
        name, kind = reader.string(), reader.scalar("I")
        keys.append((name, kind, reader.value(kind)))
    tensors = []
    for _ in range(num_tensors):
        name, count = reader.string(), reader.scalar("I")
        dims = [reader.scalar("Q") for _ in range(count)]
        tensors.append((name, dims, reader.scalar("I"), reader.scalar("Q")))
    return data, keys, tensors, reader.place + -reader.place % 32


def cut(path):
    """The real file, narrowed; and its first tensors' bytes for other seeds."""
    data, keys, tensors, begin = read_model(path)
    sizes = {b"llama.block_count": 1, b"llama.embedding_length": 64, b"llama.feed_forward_length": 128,
             b"llama.attention.head_count": 1, b"llama.attention.head_count_kv": 1, b"llama.vocab_size": 64}
    new_keys = []
    for name, kind, value in keys:
        if kind == ARRAY:
            value = (value[0], value[1][:64])
        new_keys.append((name, kind, sizes.get(name, value)))
    narrow = {576: 64, 192: 64, 1536: 128, 49152: 64}
    new_tensors = []
    for name, dims, kind, offset in tensors:
        if name.startswith(b"blk.") and not name.startswith(b"blk.0."):
            continue
        dims = [narrow[d] for d in dims]
        new_tensors.append((name, dims, kind, data[begin + offset:begin + offset + size_of(dims, kind)]))
    return new_keys, new_tensors


def tiny_keys(extra=(), vocab=4):
    """A network of width 256 (one block of the widest types), with one head of two dimensions."""
    tokens = [b"<unk>", b"<s>", b"</s>", b"a"][:vocab]
    return [(b"general.architecture", STRING, b"llama"), (b"llama.block_count", 4, 1),
            (b"llama.embedding_length", 4, 256), (b"llama.feed_forward_length", 4, 2),
            (b"llama.attention.head_count", 4, 1), (b"llama.attention.key_length", 4, 2),
            (b"llama.attention.value_length", 4, 2), (b"llama.context_length", 4, 64),
            (b"tokenizer.ggml.model", STRING, b"llama"), (b"tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
            (b"tokenizer.ggml.token_type", ARRAY, (5, [2, 3, 3, 1])),
            (b"tokenizer.ggml.scores", ARRAY, (6, [0.0, 0.0, 0.0, -1.0])), *extra]


def tiny_tensors(kind):
    def tensor(name, dims, kind=kind):
        size = size_of(dims, kind)
        return name, dims, kind, bytes(i * 37 % 251 for i in range(size))
    return [tensor(b"token_embd.weight", [256, 4]), tensor(b"output_norm.weight", [256], F32),
            tensor(b"blk.0.attn_norm.weight", [256], F32), tensor(b"blk.0.ffn_norm.weight", [256], F32),
            tensor(b"blk.0.attn_q.weight", [256, 2]), tensor(b"blk.0.attn_k.weight", [256, 2]),
            tensor(b"blk.0.attn_v.weight", [256, 2]), tensor(b"blk.0.attn_output.weight", [2, 256], F16),
            tensor(b"blk.0.ffn_gate.weight", [256, 2]), tensor(b"blk.0.ffn_up.weight", [256, 2]),
            tensor(b"blk.0.ffn_down.weight", [2, 256], F16)]


def gguf_seeds(model):
    if model.exists():
        yield "real", write_gguf(*cut(model))
        yield "real_v2", write_gguf(*cut(model), version=2)
    for kind in BLOCKS:
        yield f"type_{kind}", write_gguf(tiny_keys(), tiny_tensors(kind))
    every = [(b"k%d" % kind, kind, 1) for kind in SCALARS]
    nested = (ARRAY, [(STRING, [b"x", b""]), (ARRAY, [(4, [1, 2]), (7, [True, False])]), (12, [])])
    every += [(b"nested", ARRAY, nested), (b"general.alignment", 4, 64)]
    yield "values", write_gguf(every, [(b"t", [2, 3], F32, bytes(24))], alignment=64)
    yarn = [(b"llama.rope.scaling.type", STRING, b"yarn"), (b"llama.rope.scaling.factor", 6, 4.0),
            (b"llama.rope.scaling.original_context_length", 4, 16), (b"llama.rope.scaling.attn_factor", 6, 0.5)]
    divisors = [(b"rope_freqs.weight", [1], F32, struct.pack("<f", 2.0))]
    yield "yarn", write_gguf(tiny_keys(yarn), tiny_tensors(F16) + divisors)
    yield "empty", write_gguf([], [])
    for family, (own_keys, shapes) in family_seeds.gguf().items():
        keys = own_keys + [key for key in tiny_keys() if not key[0].startswith((b"general.", b"llama."))]
        tensors = [(name, dims, F32, bytes(size_of(dims, F32))) for name, dims in shapes.items()]
        yield f"family_{family}", write_gguf(keys, tensors)
        if family == "stablelm":
            yield "family_stablelm_rows", write_gguf(keys, tensors + [
                (b"blk.%d.attn_%s_norm.weight" % (layer, part), [1, 4096], F16, bytes(8192))
                for layer in (1, 2) for part in (b"q", b"k")])


def write_safetensors(tensors):
    header, body = {}, b""
    for name, (dtype, shape) in tensors.items():
        size = {"F32": 4, "F16": 2, "BF16": 2}[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + size]}
        body += bytes(i * 37 % 251 for i in range(size))
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def network(dtype, bias):
    shapes = {"model.embed_tokens.weight": [6, 4], "model.norm.weight": [4], "lm_head.weight": [6, 4]}
    layer = {"input_layernorm": [4], "post_attention_layernorm": [4], "self_attn.q_proj": [4, 4],
             "self_attn.k_proj": [2, 4], "self_attn.v_proj": [2, 4], "self_attn.o_proj": [4, 4],
             "mlp.gate_proj": [3, 4], "mlp.up_proj": [3, 4], "mlp.down_proj": [4, 3]}
    for part, shape in layer.items():
        shapes[f"model.layers.0.{part}.weight"] = shape
        if bias and len(shape) == 2:
            shapes[f"model.layers.0.{part}.bias"] = shape[:1]
    return {name: (dtype, shape) for name, shape in shapes.items()}


def hugging_face_seeds(model):
    config = {"architectures": ["LlamaForCausalLM"], "vocab_size": 6, "hidden_size": 4, "intermediate_size": 3,
              "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "hidden_act": "silu",
              "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 1e4, "eos_token_id": [1, 2]}
    tokenizer = {"added_tokens": [{"id": 0, "content": "<s>", "special": True}, {"id": 2, "content": "</s>"}],
                 "post_processor": {"type": "Sequence", "processors": [
                     {"single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}]}]},
                 "model": {"type": "BPE", "vocab": {"a": 1}, "merges": []}}
    settings = {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "add_bos_token": True,
                "chat_template": [{"name": "default", "template": "{{ x }}</s>"}, {"name": "tool_use", "template": ""}]}
    generation = {"temperature": 0.6, "top_p": 0.9, "top_k": 40, "do_sample": True, "eos_token_id": 3}

    def pack(config, dtype, bias=False, shards=False, shapes=None):
        tensors = network(dtype, bias) if shapes is None else {name: (dtype, shape) for name, shape in shapes.items()}
        texts = [config, tokenizer, settings, generation]
        if shards:
            names = sorted(tensors)
            halves = [names[:5], names[5:]]
            files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
            index = {"weight_map": {name: file for half, file in zip(halves, files) for name in half}}
            weights = [write_safetensors({n: tensors[n] for n in half}) for half in halves]
        else:
            index, weights = None, [write_safetensors(tensors)]
        parts = [json.dumps(text).encode() for text in texts] + [b"{{ y }}"]
        parts.append(json.dumps(index).encode() if index else b"")
        return b"\x1e".join(parts) + b"\x1e" + b"\x1e\x1e".join(weights)

    yield "f32", pack(config, "F32")
    yield "bf16_bias", pack({**config, "attention_bias": True, "mlp_bias": True}, "BF16", bias=True)
    yield "f16_shards", pack(config, "F16", shards=True)
    for kind, more in {"linear": {}, "llama3": {"low_freq_factor": 1, "high_freq_factor": 4},
                       "yarn": {"beta_fast": 32, "mscale": 1.0, "mscale_all_dim": 0.7}, "dynamic": {}}.items():
        rope = {"rope_type": kind, "factor": 8.0, "original_max_position_embeddings": 16, "rope_theta": 5e5, **more}
        yield f"rope_{kind}", pack({**config, "rope_parameters": rope}, "F32")
        yield f"rope_old_{kind}", pack({**config, "rope_scaling": {"type": kind, "factor": 2, **more}}, "F16")
    mistral = {**config, "architectures": ["MistralForCausalLM"], "sliding_window": 32, "head_dim": 2}
    yield "mistral", pack(mistral, "BF16")
    for family, (family_config, shapes) in family_seeds.hugging_face().items():
        yield f"family_{family}", pack(family_config, "F16", shapes=shapes)
    if not model.exists():
        return
    # The real model's settings, as its converter kept them.
    keys = {name: value for name, kind, value in read_model(model)[1] if kind == STRING}
    real = {**settings, "chat_template": keys.get(b"tokenizer.chat_template", b"").decode()}
    yield "real_template", b"\x1e".join([json.dumps(t).encode() for t in (config, tokenizer, real, generation)])


def main():
    model, out_dir = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for target, seeds in {"gguf_fuzz": gguf_seeds(model), "hugging_face_fuzz": hugging_face_seeds(model)}.items():
        (out_dir / target).mkdir(parents=True, exist_ok=True)
        for name, content in seeds:
            (out_dir / target / name).write_bytes(content)


if __name__ == "__main__":
    main()
