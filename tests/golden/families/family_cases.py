"""The small models of make_family_logits.py: for each its settings, in transformers' words, and what is planted in it.

A case:
    model_type  as in config.json
    config      arguments of transformers' configuration class, over COMMON
    published   the same model's config.json in the form that its authors published (older keys and names); optional
    planted     one error that a runner could make: `what`, and either a change of config.json (a merge patch, RFC 7386)
                or the tensors that are left at zero
"""

COMMON = dict(vocab_size=32, bos_token_id=1, eos_token_id=2, pad_token_id=0)
# Attention wider than the model where the family allows it, so that no size can stand in for another.
LLAMA = dict(
    hidden_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
    intermediate_size=80, max_position_embeddings=4096,
)
QWEN2 = {k: v for k, v in LLAMA.items() if k != "head_dim"} | dict(hidden_size=64)
GPT = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4)


def rope(theta=10000.0, kind="default", **more):
    return dict(rope_type=kind, rope_theta=theta, **more)


LLAMA3_SCALING = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
LONG_FACTORS = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0]
SHORT_FACTORS = [1.0, 1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5]
PHI3 = QWEN2 | dict(num_attention_heads=4, num_key_value_heads=2, sliding_window=None)
PHI3_LONGROPE_PUBLISHED = COMMON | PHI3 | dict(
    architectures=["Phi3ForCausalLM"], model_type="phi3", hidden_act="silu", rms_norm_eps=1e-5, rope_theta=10000.0,
    rope_scaling=dict(type="longrope", long_factor=LONG_FACTORS, short_factor=SHORT_FACTORS), tie_word_embeddings=False,
)
STABLELM = dict(
    hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=80,
    max_position_embeddings=4096, use_qkv_bias=False, tie_word_embeddings=False,
)
GEMMA = LLAMA | dict(hidden_activation="gelu_pytorch_tanh", rms_norm_eps=1e-6)
GEMMA2 = GEMMA | dict(
    num_hidden_layers=3, sliding_window=12, query_pre_attn_scalar=24, attn_logit_softcapping=1.5,
    final_logit_softcapping=2.0,
)
GEMMA3 = GEMMA | dict(num_hidden_layers=6, intermediate_size=40, sliding_window=12, query_pre_attn_scalar=24)
NEOX = GPT | dict(intermediate_size=96, max_position_embeddings=4096, hidden_act="gelu", tie_word_embeddings=False)
NEOX_PUBLISHED = COMMON | NEOX | dict(
    architectures=["GPTNeoXForCausalLM"], model_type="gpt_neox", rotary_pct=0.25, rotary_emb_base=10000,
    layer_norm_eps=1e-5,
)
MPT = dict(d_model=48, n_heads=4, n_layers=2, expansion_ratio=4, max_seq_len=4096, no_bias=True)
MPT_PUBLISHED = dict(
    architectures=["MPTForCausalLM"], model_type="mpt", d_model=48, n_heads=4, n_layers=2, expansion_ratio=4,
    emb_pdrop=0, resid_pdrop=0, embedding_fraction=1.0, init_device="cpu", learned_pos_emb=True, logit_scale=None,
    max_seq_len=4096, no_bias=True, norm_type="low_precision_layernorm", use_cache=False, verbose=0, vocab_size=32,
    attn_config=dict(
        alibi=True, alibi_bias_max=8, attn_impl="torch", attn_pdrop=0, attn_type="multihead_attention",
        attn_uses_sequence_id=False, clip_qkv=None, prefix_lm=False, qk_ln=False, softmax_scale=None,
    ),
)
FALCON_7B = GPT | dict(multi_query=True, parallel_attn=True, bias=False, alibi=False, new_decoder_architecture=False)
FALCON_40B = GPT | dict(
    num_kv_heads=2, multi_query=True, parallel_attn=True, bias=False, alibi=False, new_decoder_architecture=True
)
FALCON_PUBLISHED = COMMON | dict(
    architectures=["FalconForCausalLM"], model_type="falcon", apply_residual_connection_post_layernorm=False,
    attention_dropout=0.0, hidden_dropout=0.0, initializer_range=0.02, layer_norm_epsilon=1e-5,
)

CASES = {
    "llama2": dict(
        model_type="llama",
        config=LLAMA | dict(rms_norm_eps=1e-5, rope_parameters=rope()),
        published=COMMON | LLAMA | dict(
            architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", rms_norm_eps=1e-5,
            rope_scaling=None, tie_word_embeddings=False),
        planted=dict(what="rope_theta of 500000 instead of 10000", config=dict(rope_parameters=rope(500000.0))),
    ),
    "llama3": dict(
        model_type="llama",
        config=LLAMA | dict(rms_norm_eps=1e-5, tie_word_embeddings=True,
                            rope_parameters=rope(500000.0, "llama3", **LLAMA3_SCALING)),
        published=COMMON | LLAMA | dict(
            architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", rms_norm_eps=1e-5,
            rope_theta=500000.0, rope_scaling=dict(rope_type="llama3", **LLAMA3_SCALING), tie_word_embeddings=True,
            eos_token_id=[2, 3]),
        planted=dict(what="llama3 scaling forgotten",
                     config=dict(rope_parameters=dict(rope_type="default", factor=None, low_freq_factor=None,
                                                      high_freq_factor=None, original_max_position_embeddings=None))),
    ),
    "mistral": dict(
        model_type="mistral",
        config=LLAMA | dict(rms_norm_eps=1e-5, sliding_window=12, rope_parameters=rope()),
        published=COMMON | LLAMA | dict(
            architectures=["MistralForCausalLM"], model_type="mistral", hidden_act="silu", rms_norm_eps=1e-5,
            rope_theta=10000.0, sliding_window=12, tie_word_embeddings=False),
        planted=dict(what="a window of 13 instead of 12", config=dict(sliding_window=13)),
    ),
    "qwen2": dict(
        model_type="qwen2",
        config=QWEN2 | dict(rope_parameters=rope(1000000.0)),
        published=COMMON | QWEN2 | dict(
            architectures=["Qwen2ForCausalLM"], model_type="qwen2", hidden_act="silu", rms_norm_eps=1e-6,
            rope_theta=1000000.0, sliding_window=12, max_window_layers=1, use_sliding_window=False,
            tie_word_embeddings=False),
        planted=dict(what="the first layer's key bias missing", zero=["model.layers.0.self_attn.k_proj.bias"]),
    ),
    "qwen2_layer_windows": dict(
        model_type="qwen2",
        config=QWEN2 | dict(rope_parameters=rope(), use_sliding_window=True, sliding_window=12, max_window_layers=1),
        published=COMMON | QWEN2 | dict(
            architectures=["Qwen2ForCausalLM"], model_type="qwen2", hidden_act="silu", rms_norm_eps=1e-6,
            rope_theta=10000.0, sliding_window=12, max_window_layers=1, use_sliding_window=True,
            tie_word_embeddings=False),
        planted=dict(what="the window in the first layer too",
                     config=dict(max_window_layers=0, layer_types=["sliding_attention", "sliding_attention"])),
    ),
    "qwen3": dict(
        model_type="qwen3",
        config=LLAMA | dict(rope_parameters=rope(1000000.0), tie_word_embeddings=True),
        published=COMMON | LLAMA | dict(
            architectures=["Qwen3ForCausalLM"], model_type="qwen3", hidden_act="silu", rms_norm_eps=1e-6,
            attention_bias=False, rope_theta=1000000.0, rope_scaling=None, sliding_window=None, max_window_layers=2,
            use_sliding_window=False, tie_word_embeddings=True),
        planted=dict(what="rms_norm_eps of 0.1 instead of 1e-6", config=dict(rms_norm_eps=0.1)),
    ),
    "gemma": dict(
        model_type="gemma",
        config=GEMMA | dict(rope_parameters=rope()),
        planted=dict(what="another activation: silu", config=dict(hidden_act="silu", hidden_activation="silu")),
    ),
    "gemma2": dict(
        model_type="gemma2",
        config=GEMMA2 | dict(rope_parameters=rope()),
        published=COMMON | GEMMA2 | dict(
            architectures=["Gemma2ForCausalLM"], model_type="gemma2", hidden_act="gelu_pytorch_tanh",
            cache_implementation="hybrid", rope_theta=10000.0),
        planted=dict(what="attention scores not soft-capped", config=dict(attn_logit_softcapping=None)),
    ),
    "gemma3": dict(
        model_type="gemma3_text",
        config=GEMMA3 | dict(rope_parameters=dict(full_attention=rope(1000000.0), sliding_attention=rope(10000.0))),
        published=COMMON | GEMMA3 | dict(
            architectures=["Gemma3ForCausalLM"], model_type="gemma3_text", attn_logit_softcapping=None,
            final_logit_softcapping=None, rope_local_base_freq=10000.0, rope_theta=1000000.0, rope_scaling=None,
            sliding_window_pattern=6),
        planted=dict(what="the local layers with the theta of the others",
                     config=dict(rope_parameters=dict(sliding_attention=dict(rope_theta=1000000.0)))),
    ),
    "gemma3_scaled_and_capped": dict(
        model_type="gemma3_text",
        config=GEMMA3 | dict(
            num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"], final_logit_softcapping=2.0,
            rope_parameters=dict(full_attention=rope(1000000.0, "linear", factor=8.0),
                                 sliding_attention=rope(10000.0))),
        planted=dict(what="logits not soft-capped", config=dict(final_logit_softcapping=None)),
    ),
    "phi3": dict(
        model_type="phi3",
        config=PHI3 | dict(rope_parameters=rope()),
        published=COMMON | PHI3 | dict(
            architectures=["Phi3ForCausalLM"], model_type="phi3", hidden_act="silu", rms_norm_eps=1e-5,
            original_max_position_embeddings=4096, rope_theta=10000.0, rope_scaling=None, tie_word_embeddings=False),
        planted=dict(what="rope_theta of 20000 instead of 10000", config=dict(rope_parameters=rope(20000.0))),
    ),
    "phi3_window": dict(
        model_type="phi3",
        config=PHI3 | dict(rope_parameters=rope(), sliding_window=12),
        planted=dict(what="no window", config=dict(sliding_window=None)),
    ),
    "phi3_partial_rotary": dict(
        model_type="phi3",
        config=PHI3 | dict(rope_parameters=rope(partial_rotary_factor=0.75), tie_word_embeddings=True),
        published=COMMON | PHI3 | dict(
            architectures=["Phi3ForCausalLM"], model_type="phi3", hidden_act="silu", rms_norm_eps=1e-5,
            original_max_position_embeddings=4096, partial_rotary_factor=0.75, rope_theta=10000.0, rope_scaling=None,
            tie_word_embeddings=True),
        planted=dict(what="whole heads rotated", config=dict(rope_parameters=dict(partial_rotary_factor=1.0))),
    ),
    "phi3_longrope_long": dict(
        model_type="phi3",
        config=PHI3 | dict(
            original_max_position_embeddings=32,
            rope_parameters=rope(10000.0, "longrope", long_factor=LONG_FACTORS, short_factor=SHORT_FACTORS,
                                 original_max_position_embeddings=32)),
        published=PHI3_LONGROPE_PUBLISHED | dict(original_max_position_embeddings=32),
        only_prompt=True,  # transformers chooses the factors anew at every call, by the length so far
        planted=dict(what="the short factors instead of the long ones",
                     config=dict(rope_parameters=dict(long_factor=SHORT_FACTORS))),
    ),
    "phi3_longrope_short": dict(
        model_type="phi3",
        config=PHI3 | dict(
            original_max_position_embeddings=1024,
            rope_parameters=rope(10000.0, "longrope", long_factor=LONG_FACTORS, short_factor=SHORT_FACTORS,
                                 original_max_position_embeddings=1024)),
        published=PHI3_LONGROPE_PUBLISHED | dict(original_max_position_embeddings=1024),
        planted=dict(what="the long factors instead of the short ones",
                     config=dict(rope_parameters=dict(short_factor=LONG_FACTORS))),
    ),
    "stablelm": dict(
        model_type="stablelm",
        config=STABLELM | dict(rope_parameters=rope(partial_rotary_factor=0.25)),
        published=COMMON | STABLELM | dict(
            architectures=["StableLmForCausalLM"], model_type="stablelm", hidden_act="silu", layer_norm_eps=1e-5,
            partial_rotary_factor=0.25, rope_theta=10000, use_qkv_bias=False),
        planted=dict(what="half of the head rotated instead of a quarter",
                     config=dict(rope_parameters=dict(partial_rotary_factor=0.5))),
    ),
    "stablelm_qkv_bias": dict(
        model_type="stablelm",
        config=STABLELM | dict(rope_parameters=rope(partial_rotary_factor=0.25), use_qkv_bias=True),
        planted=dict(what="the first layer's value bias missing", zero=["model.layers.0.self_attn.v_proj.bias"]),
    ),
    "stablelm_parallel": dict(
        model_type="stablelm",
        config=STABLELM | dict(rope_parameters=rope(partial_rotary_factor=0.25), use_parallel_residual=True,
                               qk_layernorm=True),
        planted=dict(what="one query norm's weight missing",
                     zero=["model.layers.0.self_attn.q_layernorm.norms.1.weight"]),
    ),
    "falcon_7b": dict(
        model_type="falcon",
        config=FALCON_7B,
        published=FALCON_PUBLISHED | FALCON_7B,
        planted=dict(what="the norm's bias missing", zero=["transformer.h.0.input_layernorm.bias"]),
    ),
    "falcon_7b_bias": dict(
        model_type="falcon",
        config=FALCON_7B | dict(bias=True),
        planted=dict(what="the first layer's attention bias missing",
                     zero=["transformer.h.0.self_attention.query_key_value.bias"]),
    ),
    "falcon_7b_sequential": dict(
        model_type="falcon",
        config=FALCON_7B | dict(parallel_attn=False),
        planted=dict(what="the second norm's bias missing", zero=["transformer.h.0.post_attention_layernorm.bias"]),
    ),
    "falcon_40b": dict(
        model_type="falcon",
        config=FALCON_40B,
        published=FALCON_PUBLISHED | FALCON_40B,
        planted=dict(what="the feed-forward's norm's bias missing", zero=["transformer.h.0.ln_mlp.bias"]),
    ),
    "falcon_11b": dict(
        model_type="falcon",
        config=FALCON_40B | dict(num_ln_in_parallel_attn=1),
        planted=dict(what="another rope_theta: 20000", config=dict(rope_parameters=rope(20000.0))),
    ),
    "falcon_rw": dict(
        model_type="falcon",
        config=GPT | dict(multi_query=False, parallel_attn=False, bias=True, alibi=True,
                          new_decoder_architecture=False),
        attention="sdpa",  # transformers' eager attention adds Falcon's ALiBi twice, in the mask and to the scores
        published=FALCON_PUBLISHED | GPT | dict(multi_query=False, parallel_attn=False, bias=True, alibi=True,
                                                new_decoder_architecture=False),
        planted=dict(what="no ALiBi", config=dict(alibi=False)),
    ),
    "mpt": dict(
        model_type="mpt",
        config=MPT,
        published=MPT_PUBLISHED,
        planted=dict(what="slopes for a largest bias of 4 instead of 8",
                     config=dict(attn_config=dict(alibi_bias_max=4))),
    ),
    "mpt_clipped_six_heads": dict(
        model_type="mpt",
        config=MPT | dict(n_heads=6, attn_config=dict(clip_qkv=1.5, alibi=True, alibi_bias_max=8)),
        published=MPT_PUBLISHED | dict(n_heads=6, attn_config=MPT_PUBLISHED["attn_config"] | dict(clip_qkv=1.5)),
        planted=dict(what="queries, keys and values not clipped", config=dict(attn_config=dict(clip_qkv=None))),
    ),
    "mpt_softmax_scale": dict(
        model_type="mpt",
        config=MPT | dict(attn_config=dict(softmax_scale=0.5, alibi=True, alibi_bias_max=8)),
        planted=dict(what="the usual scale of scores", config=dict(attn_config=dict(softmax_scale=None))),
    ),
    "gpt_neox": dict(
        model_type="gpt_neox",
        config=NEOX | dict(rope_parameters=rope(partial_rotary_factor=0.25), use_parallel_residual=True),
        published=NEOX_PUBLISHED | dict(use_parallel_residual=True),
        planted=dict(what="half of the head rotated instead of a quarter",
                     config=dict(rope_parameters=dict(partial_rotary_factor=0.5))),
    ),
    "gpt_neox_sequential": dict(
        model_type="gpt_neox",
        config=NEOX | dict(rope_parameters=rope(partial_rotary_factor=0.25), use_parallel_residual=False),
        published=NEOX_PUBLISHED | dict(use_parallel_residual=False),
        planted=dict(what="parallel blocks", config=dict(use_parallel_residual=True)),
    ),
}
