"""The families' networks for one token at a time, in numpy and float64, from their definitions.

A network only says what a layer does with its input; what a token sees, and at which places, is the caller's
(`attend`).
"""

import math

import numpy as np
from family_weights import weight


def layer_norm(x, w, bias, epsilon):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * w + bias


def rms_norm(x, w, epsilon):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * w


def silu(x):
    return x / (1.0 + np.exp(-x))


def gelu(x):
    return 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def gelu_tanh(x):
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def soft_cap(x, cap):
    return x if cap is None else cap * np.tanh(x / cap)


class Rotary:
    """The first 2 × len(frequencies) numbers of a head turn: i with i + len(frequencies)."""

    def __init__(self, theta, size, part=1.0, factors=1.0, attention_factor=1.0):
        turned = int(size * part)
        self.frequencies = theta ** (-np.arange(0, turned, 2) / turned) / factors
        self.attention_factor = attention_factor

    def turn(self, heads, places):
        """[n, heads, size] by [n] places."""
        half = len(self.frequencies)
        angle = (np.asarray(places, dtype=np.float64)[:, None] * self.frequencies)[:, None, :]
        first, second, rest = heads[..., :half], heads[..., half : 2 * half], heads[..., 2 * half :]
        cos, sin = self.attention_factor * np.cos(angle), self.attention_factor * np.sin(angle)
        return np.concatenate([first * cos - second * sin, second * cos + first * sin, rest], axis=-1)


def longrope(config, rope, size, capacity):
    """The long factors where the cache exceeds the original length."""
    original, trained = rope["original_max_position_embeddings"], config["max_position_embeddings"]
    factors = np.array(rope["long_factor" if capacity > original else "short_factor"])
    return Rotary(rope["rope_theta"], size, rope.get("partial_rotary_factor", 1.0), factors,
                  math.sqrt(1.0 + math.log(trained / original) / math.log(original)))


def alibi_slopes(count, largest=8.0):
    """2^(-largest/n), its square …, n the next power of two; if n is not `count`, every second one comes first."""
    power = 2 ** math.ceil(math.log2(count))
    slopes = [2.0 ** (-largest * (i + 1) / power) for i in range(power)]
    return np.array(slopes if power == count else (slopes[1::2] + slopes[::2])[:count])


class Layer:
    """One layer's attention as the caller needs it; `run(x, attend)` is the whole layer."""

    rotary = None
    slopes = None  # [heads]: the bias of a score is -slope × distance
    window = None
    score_cap = None
    zero_sink = False

    def attention_of(self, q, keys, values, places, place):
        """q [heads, size] at `place`; keys and values [n, kv_heads, size] at `places` → [heads × size]."""
        if self.rotary:
            q, keys = self.rotary.turn(q[None], [place])[0], self.rotary.turn(keys, places)
        shared = q.shape[0] // keys.shape[1]
        keys, values = np.repeat(keys, shared, axis=1), np.repeat(values, shared, axis=1)
        distances = place - np.asarray(places)
        scores = soft_cap(np.einsum("hd,nhd->hn", q, keys) * self.scale, self.score_cap)
        if self.slopes is not None:
            scores -= self.slopes[:, None] * distances
        if self.window:
            scores[:, distances >= self.window] = -np.inf
        weights = np.exp(scores)
        weights /= weights.sum(axis=1, keepdims=True) + (1.0 if self.zero_sink else 0.0)
        return np.einsum("hn,nhd->hd", weights, values).reshape(-1)


class Network:
    """Made from a case: its config.json (transformers' form) and its tensors. `capacity`: slots of the cache."""

    def __init__(self, config, tensors, capacity=0):
        self.config, self.capacity, self.tensors = config, capacity, {t[0]: t for t in tensors}
        make = {"gpt_neox": self.gpt_neox, "mpt": self.mpt, "falcon": self.falcon}
        make.get(config["model_type"], self.llama_like)()

    def tensor(self, name):
        if name not in self.tensors:
            return 0.0  # a bias that this model does not have
        return weight(*self.tensors[name]).astype(np.float64)

    def linear(self, name):
        w, bias = self.tensor(name + ".weight"), self.tensor(name + ".bias")
        return lambda x: w @ x + bias

    def norm(self, name):
        w, bias, c = self.tensor(name + ".weight"), self.tensor(name + ".bias"), self.config
        if "rms_norm_eps" in c:
            shift = 1.0 if c["model_type"].startswith("gemma") else 0.0
            return lambda x: rms_norm(x, w + shift, c["rms_norm_eps"])
        epsilon = c.get("layer_norm_eps", c.get("layer_norm_epsilon"))
        return lambda x: layer_norm(x, w, bias, epsilon)

    def parts(self, project, heads, kv_heads, size, order="concatenated"):
        """A projection to queries, keys and values together → the three, [heads, size] each."""

        def split(x):
            y = project(x)
            if order == "concatenated":
                q, k, v = np.split(y, [heads * size, (heads + kv_heads) * size])
            else:  # for every key head: its query heads, the key, the value
                groups = y.reshape(kv_heads, heads // kv_heads + 2, size)
                q, k, v = groups[:, :-2], groups[:, -2], groups[:, -1]
            return q.reshape(heads, size), k.reshape(kv_heads, size), v.reshape(kv_heads, size)

        return split

    def finish(self, embedding, norm, head, embedding_scale=1.0, cap=None):
        table, w = self.tensor(embedding), self.tensor(head if head in self.tensors else embedding)
        final = self.norm(norm)
        self.embed = lambda token: table[token] * embedding_scale
        self.logits = lambda x: soft_cap(w @ final(x), cap)

    def gpt_neox(self):
        c, self.layers = self.config, []
        heads, size = c["num_attention_heads"], c["hidden_size"] // c["num_attention_heads"]
        for i in range(c["num_hidden_layers"]):
            p, layer, rope = f"gpt_neox.layers.{i}.", Layer(), c["rope_parameters"]
            layer.rotary = Rotary(rope["rope_theta"], size, rope["partial_rotary_factor"])
            layer.scale = size**-0.5
            layer.qkv = self.parts(self.linear(p + "attention.query_key_value"), heads, heads, size, "grouped")
            out, up, down = (self.linear(p + n) for n in ("attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"))
            n1, n2 = self.norm(p + "input_layernorm"), self.norm(p + "post_attention_layernorm")
            self.add(layer, n1, n2, out, lambda x, up=up, down=down: down(gelu(up(x))), c["use_parallel_residual"])
        self.finish("gpt_neox.embed_in.weight", "gpt_neox.final_layer_norm", "embed_out.weight")

    def mpt(self):
        c, self.layers = self.config, []
        heads, size, attention = c["n_heads"], c["d_model"] // c["n_heads"], c["attn_config"]
        limit = attention["clip_qkv"] or np.inf
        for i in range(c["n_layers"]):
            p, layer = f"transformer.blocks.{i}.", Layer()
            layer.slopes = alibi_slopes(heads, attention["alibi_bias_max"])
            layer.scale = attention["softmax_scale"] or size**-0.5
            project = self.linear(p + "attn.Wqkv")
            layer.qkv = self.parts(lambda x, project=project: np.clip(project(x), -limit, limit), heads, heads, size)
            up, down = self.linear(p + "ffn.up_proj"), self.linear(p + "ffn.down_proj")
            self.add(layer, self.norm(p + "norm_1"), self.norm(p + "norm_2"), self.linear(p + "attn.out_proj"),
                     lambda x, up=up, down=down: down(gelu(up(x))), False)
        self.finish("transformer.wte.weight", "transformer.norm_f", "")

    def falcon(self):
        c, self.layers = self.config, []
        heads, size = c["num_attention_heads"], c["hidden_size"] // c["num_attention_heads"]
        kv_heads = c["num_kv_heads"] if c["new_decoder_architecture"] else 1 if c["multi_query"] else heads
        for i in range(c["num_hidden_layers"]):
            p, layer = f"transformer.h.{i}.", Layer()
            layer.scale = size**-0.5
            if c["alibi"]:
                layer.slopes = alibi_slopes(heads) * layer.scale
            else:
                layer.rotary = Rotary(c["rope_parameters"]["rope_theta"], size)
            layer.qkv = self.parts(self.linear(p + "self_attention.query_key_value"), heads, kv_heads, size, "grouped")
            names = ("self_attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h")
            out, up, down = (self.linear(p + n) for n in names)
            two = p + "ln_attn.weight" in self.tensors
            n1 = self.norm(p + ("ln_attn" if two else "input_layernorm"))
            n2 = self.norm(p + "ln_mlp") if two else n1
            if not c["parallel_attn"]:
                n2 = self.norm(p + "post_attention_layernorm")
            self.add(layer, n1, n2, out, lambda x, up=up, down=down: down(gelu(up(x))), c["parallel_attn"])
        self.finish("transformer.word_embeddings.weight", "transformer.ln_f", "lm_head.weight")

    def llama_like(self):
        """Llama, Mistral, Qwen, Phi-3, StableLM, Gemma."""
        c, self.layers = self.config, []
        gemma = c["model_type"].startswith("gemma")
        heads, kv_heads = c["num_attention_heads"], c["num_key_value_heads"]
        size = c.get("head_dim") or c["hidden_size"] // heads
        for i in range(c["num_hidden_layers"]):
            p, layer = f"model.layers.{i}.", Layer()
            kinds = c.get("layer_types")
            kind = kinds[i] if kinds else "sliding_attention" if c.get("sliding_window") else "full_attention"
            rope = c["rope_parameters"].get(kind, c["rope_parameters"])
            if rope["rope_type"] == "longrope":
                layer.rotary = longrope(c, rope, size, self.capacity)
            else:
                layer.rotary = Rotary(rope["rope_theta"], size, rope.get("partial_rotary_factor", 1.0),
                                      rope.get("factor", 1.0))
            layer.window = c["sliding_window"] if kind == "sliding_attention" else None
            layer.scale = (c["query_pre_attn_scalar"] if "query_pre_attn_scalar" in c else size) ** -0.5
            layer.score_cap = c.get("attn_logit_softcapping")
            layer.zero_sink = c.get("zero_sink", False)
            layer.qkv = self.llama_qkv(p, heads, kv_heads, size)
            n1, out = self.norm(p + "input_layernorm"), self.linear(p + "self_attn.o_proj")
            if p + "pre_feedforward_layernorm.weight" in self.tensors:
                after, before = self.norm(p + "post_attention_layernorm"), self.norm(p + "pre_feedforward_layernorm")
                last, inner = self.norm(p + "post_feedforward_layernorm"), self.gated(p, gelu_tanh)
                self.add(layer, n1, before, lambda x, out=out, after=after: after(out(x)),
                         lambda x, inner=inner, last=last: last(inner(x)), False)
                continue
            parallel = c.get("use_parallel_residual", False)
            n2 = n1 if parallel else self.norm(p + "post_attention_layernorm")
            self.add(layer, n1, n2, out, self.gated(p, gelu_tanh if gemma else silu), parallel)
        self.finish("model.embed_tokens.weight", "model.norm", "lm_head.weight",
                    math.sqrt(c["hidden_size"]) if gemma else 1.0, c.get("final_logit_softcapping"))

    def llama_qkv(self, p, heads, kv_heads, size):
        p += "self_attn."
        if p + "qkv_proj.weight" in self.tensors:
            return self.parts(self.linear(p + "qkv_proj"), heads, kv_heads, size)
        q, k, v = (self.linear(p + n) for n in ("q_proj", "k_proj", "v_proj"))
        whole = self.parts(lambda x: np.concatenate([q(x), k(x), v(x)]), heads, kv_heads, size)
        if p + "q_norm.weight" not in self.tensors:
            return whole
        q_norm, k_norm = self.norm(p + "q_norm"), self.norm(p + "k_norm")

        def normed(x):
            query, key, value = whole(x)
            return q_norm(query), k_norm(key), value

        return normed

    def gated(self, p, activation):
        p += "mlp."
        down = self.linear(p + "down_proj")
        if p + "gate_up_proj.weight" in self.tensors:
            both = self.linear(p + "gate_up_proj")
        else:
            gate, up = self.linear(p + "gate_proj"), self.linear(p + "up_proj")
            both = lambda x: np.concatenate([gate(x), up(x)])  # noqa: E731

        def run(x):
            first, second = np.split(both(x), 2)
            return down(activation(first) * second)

        return run

    def add(self, layer, n1, n2, out, feed_forward, parallel):
        def run(x, attend):
            attended = out(attend(*layer.qkv(n1(x))))
            if parallel:
                return x + attended + feed_forward(n2(x))
            x = x + attended
            return x + feed_forward(n2(x))

        layer.run = run
        self.layers.append(layer)
