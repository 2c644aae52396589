"""The smallest networks of every model family, for make_seeds.py: one layer of width 4, two heads of size 2 over one key
head where the family has such, feed-forward of 3 (16 where it is four times the width).

A part of a layer is written as its name, a "+" behind it if it has a bias.
"""

# Hugging Face: config.json's members beside eos_token_id, and the names of a layer's parts with their shapes.
VOCABULARY, WIDTH = 6, 4
LLAMA_WORDS = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=3, num_hidden_layers=1,
                   num_attention_heads=2, num_key_value_heads=1)
MATRICES = {
    "self_attn.q_proj": [4, 4], "self_attn.k_proj": [2, 4], "self_attn.v_proj": [2, 4], "self_attn.o_proj": [4, 4],
    "self_attn.qkv_proj": [8, 4], "mlp.gate_proj": [3, 4], "mlp.up_proj": [3, 4], "mlp.down_proj": [4, 3],
    "mlp.gate_up_proj": [6, 4], "self_attn.q_norm": [2], "self_attn.k_norm": [2],
    "self_attn.q_layernorm.norms.0": [2], "self_attn.q_layernorm.norms.1": [2], "self_attn.k_layernorm.norms.0": [2],
    "self_attention.query_key_value": [8, 4], "self_attention.dense": [4, 4], "mlp.dense_h_to_4h": [16, 4],
    "mlp.dense_4h_to_h": [4, 16], "attn.Wqkv": [12, 4], "attn.out_proj": [4, 4], "ffn.up_proj": [16, 4],
    "ffn.down_proj": [4, 16], "attention.query_key_value": [12, 4], "attention.dense": [4, 4],
}
ATTENTION = "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj"
GATED = "mlp.gate_proj mlp.up_proj mlp.down_proj"
HEAD_NORMS = "self_attn.q_norm self_attn.k_norm"
NORMS = "input_layernorm post_attention_layernorm"
SANDWICH = f"{NORMS} pre_feedforward_layernorm post_feedforward_layernorm"
FALCON_PARTS = "self_attention.query_key_value self_attention.dense mlp.dense_h_to_4h mlp.dense_4h_to_h"
FALCON_WORDS = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2)
MPT_WORDS = dict(vocab_size=VOCABULARY, d_model=WIDTH, n_layers=1, n_heads=2, max_seq_len=64,
                 attn_config=dict(alibi=True, alibi_bias_max=8, clip_qkv=6.0, qk_ln=False))
GEMMA3_ROPES = dict(full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6),
                    sliding_attention=dict(rope_type="default", rope_theta=1e4))
# name -> architecture, its members, tensors of the whole, prefix of a layer's, its parts
HUGGING_FACE = {
    "qwen2": ("Qwen2ForCausalLM", LLAMA_WORDS | dict(use_sliding_window=True, sliding_window=8, max_window_layers=0),
              "model.embed_tokens model.norm lm_head", "model.layers.0.",
              f"{NORMS} self_attn.q_proj+ self_attn.k_proj+ self_attn.v_proj+ self_attn.o_proj {GATED}"),
    "qwen3": ("Qwen3ForCausalLM", LLAMA_WORDS | dict(head_dim=2), "model.embed_tokens model.norm lm_head",
              "model.layers.0.", f"{NORMS} {ATTENTION} {HEAD_NORMS} {GATED}"),
    "gemma": ("GemmaForCausalLM", LLAMA_WORDS | dict(head_dim=2, hidden_act="gelu"), "model.embed_tokens model.norm",
              "model.layers.0.", f"{NORMS} {ATTENTION} {GATED}"),
    "gemma2": ("Gemma2ForCausalLM",
               LLAMA_WORDS | dict(head_dim=2, sliding_window=8, query_pre_attn_scalar=2, attn_logit_softcapping=50.0,
                                  final_logit_softcapping=30.0, hidden_activation="gelu_pytorch_tanh"),
               "model.embed_tokens model.norm", "model.layers.0.", f"{SANDWICH} {ATTENTION} {GATED}"),
    "gemma3": ("Gemma3ForCausalLM",
               LLAMA_WORDS | dict(head_dim=2, sliding_window=8, layer_types=["sliding_attention"],
                                  rope_parameters=GEMMA3_ROPES),
               "model.embed_tokens model.norm", "model.layers.0.", f"{SANDWICH} {ATTENTION} {HEAD_NORMS} {GATED}"),
    "phi3": ("Phi3ForCausalLM",
             LLAMA_WORDS | dict(original_max_position_embeddings=32, partial_rotary_factor=1.0, rope_scaling=dict(
                 type="longrope", long_factor=[2.0], short_factor=[1.0])),
             "model.embed_tokens model.norm lm_head", "model.layers.0.",
             f"{NORMS} self_attn.qkv_proj self_attn.o_proj mlp.gate_up_proj mlp.down_proj"),
    "stablelm": ("StableLmForCausalLM",
                 LLAMA_WORDS | dict(partial_rotary_factor=1.0, use_parallel_residual=True, qk_layernorm=True,
                                    layer_norm_eps=1e-5),
                 "model.embed_tokens model.norm+ lm_head", "model.layers.0.",
                 f"input_layernorm+ {ATTENTION} {GATED} self_attn.q_layernorm.norms.0 self_attn.q_layernorm.norms.1 "
                 "self_attn.k_layernorm.norms.0"),
    "falcon": ("FalconForCausalLM", FALCON_WORDS | dict(new_decoder_architecture=True, num_kv_heads=1),
               "transformer.word_embeddings transformer.ln_f+", "transformer.h.0.", f"ln_attn+ ln_mlp+ {FALCON_PARTS}"),
    "falcon_alibi": ("FalconForCausalLM", FALCON_WORDS | dict(alibi=True, multi_query=True, parallel_attn=False),
                     "transformer.word_embeddings transformer.ln_f+", "transformer.h.0.",
                     f"input_layernorm+ post_attention_layernorm+ {FALCON_PARTS}"),
    "mpt": ("MPTForCausalLM", MPT_WORDS, "transformer.wte transformer.norm_f", "transformer.blocks.0.",
            "norm_1 norm_2 attn.Wqkv attn.out_proj ffn.up_proj ffn.down_proj"),
    "gpt_neox": ("GPTNeoXForCausalLM",
                 LLAMA_WORDS | dict(num_key_value_heads=2, intermediate_size=16, rotary_pct=1.0, rotary_emb_base=10000,
                                    use_parallel_residual=True),
                 "gpt_neox.embed_in gpt_neox.final_layer_norm+ embed_out", "gpt_neox.layers.0.",
                 "input_layernorm+ post_attention_layernorm+ attention.query_key_value+ attention.dense+ "
                 "mlp.dense_h_to_4h+ mlp.dense_4h_to_h+"),
}


def with_biases(parts, shape_of, prefix="", rows=slice(0, 1)):
    """`rows`: where a shape has the number of rows, which is a bias's length."""
    shapes = {}
    for part in parts.split():
        name = part.removesuffix("+")
        shapes[f"{prefix}{name}.weight"] = shape_of(name)
        if part != name:
            shapes[f"{prefix}{name}.bias"] = shape_of(name)[rows]
    return shapes


def hugging_face():
    """name -> config.json, {tensor: shape}"""
    seeds = {}
    for name, (architecture, members, whole, prefix, parts) in HUGGING_FACE.items():
        shapes = with_biases(whole, lambda part: [WIDTH] if "norm" in part or "ln_f" in part else [VOCABULARY, WIDTH])
        shapes |= with_biases(parts, lambda part: MATRICES.get(part, [WIDTH]), prefix)
        seeds[name] = (dict(architectures=[architecture], eos_token_id=2) | members, shapes)
    return seeds


# GGUF: dimensions innermost first; numbers of value types as in make_seeds.py.
UINT32, FLOAT32, BOOL, ARRAY = 4, 6, 7, 9
DIMENSIONS = {
    "attn_q": [4, 4], "attn_k": [4, 2], "attn_v": [4, 2], "attn_output": [4, 4], "ffn_gate": [4, 3], "ffn_up": [4, 3],
    "ffn_down": [3, 4], "attn_q_norm": [2], "attn_k_norm": [2],
}
GGUF_ATTENTION = "attn_norm attn_q attn_k attn_v attn_output"
GGUF_GATED = "ffn_norm ffn_gate ffn_up ffn_down"
WINDOW = [("attention.sliding_window", UINT32, 8)]
RMS, LAYER = "attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"
# architecture -> its norm's key, more keys, parts of a layer, dimensions of its own
GGUF = {
    "qwen2": (RMS, [], f"attn_norm attn_q+ attn_k+ attn_v+ attn_output {GGUF_GATED}", {}),
    "qwen3": (RMS, [], f"{GGUF_ATTENTION} attn_q_norm attn_k_norm {GGUF_GATED}", {}),
    "gemma": (RMS, [], f"{GGUF_ATTENTION} {GGUF_GATED}", {}),
    "gemma2": (RMS, WINDOW + [("attn_logit_softcapping", FLOAT32, 50.0), ("final_logit_softcapping", FLOAT32, 30.0),
                              ("attention.sliding_window_pattern", UINT32, 2), ("rope.freq_base_swa", FLOAT32, 2e4)],
               f"{GGUF_ATTENTION} post_attention_norm {GGUF_GATED} post_ffw_norm", {}),
    "gemma3": (RMS, WINDOW + [("attention.sliding_window_pattern", ARRAY, (BOOL, [True])),
                              ("rope.freq_base_swa", FLOAT32, 1e4)],
               f"{GGUF_ATTENTION} attn_q_norm attn_k_norm post_attention_norm {GGUF_GATED} post_ffw_norm", {}),
    "phi3": (RMS, WINDOW + [("rope.scaling.original_context_length", UINT32, 32),
                            ("rope.scaling.attn_factor", FLOAT32, 1.2)],
             "attn_norm attn_qkv attn_output ffn_norm ffn_up ffn_down", {"attn_qkv": [4, 8], "ffn_up": [4, 6]}),
    "stablelm": (LAYER, [("use_parallel_residual", BOOL, True), ("rope.dimension_count", UINT32, 2)],
                 "attn_norm+ attn_q attn_k attn_v attn_output attn_q_norm attn_k_norm ffn_gate ffn_up ffn_down",
                 {"attn_q_norm": [2, 2], "attn_k_norm": [2, 1]}),
    "falcon": (LAYER, [], "attn_norm+ attn_norm_2+ attn_qkv attn_output ffn_up ffn_down", {"attn_qkv": [4, 8]}),
    "mpt": (LAYER, [("attention.clamp_kqv", FLOAT32, 6.0), ("attention.max_alibi_bias", FLOAT32, 8.0),
                    ("attention.head_count_kv", UINT32, 2)],
            "attn_norm attn_qkv attn_output ffn_norm ffn_up ffn_down", {"attn_qkv": [4, 12]}),
    "gptneox": (LAYER, [("use_parallel_residual", BOOL, True), ("rope.dimension_count", UINT32, 2),
                        ("attention.head_count_kv", UINT32, 2)],
                "attn_norm+ attn_qkv+ attn_output+ ffn_norm+ ffn_up+ ffn_down+", {"attn_qkv": [4, 12]}),
}


def gguf():
    """architecture -> [(key, type, value)], {tensor: dimensions}; the vocabulary (four tokens) is the caller's"""
    seeds = {}
    for name, (epsilon, own, parts, dimensions) in GGUF.items():
        sizes = {"block_count": 1, "embedding_length": 4, "feed_forward_length": 3, "context_length": 64,
                 "attention.head_count": 2, "attention.head_count_kv": 1}
        keys = {key: (UINT32, value) for key, value in sizes.items()} | {epsilon: (FLOAT32, 1e-5)}
        keys |= {key: (kind, value) for key, kind, value in own}
        described = [(b"general.architecture", 8, name.encode())]
        described += [(f"{name}.{key}".encode(), kind, value) for key, (kind, value) in keys.items()]
        shapes = {"token_embd.weight": [4, 4]}
        shapes |= with_biases("output_norm+" if epsilon == LAYER and name != "mpt" else "output_norm", lambda part: [4])
        shapes |= with_biases(parts, lambda part: dimensions.get(part, DIMENSIONS.get(part, [4])), "blk.0.",
                              rows=slice(-1, None))
        seeds[name] = (described, {tensor.encode(): shape for tensor, shape in shapes.items()})
    return seeds
