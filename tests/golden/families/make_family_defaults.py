"""What transformers makes of a config.json that leaves keys out: its own classes' defaults, for every family.

Usage: make_family_defaults.py     writes defaults.json and prints the defaults of the keys that we read

For each family a smallest config.json, of the keys that every real checkpoint carries, and variants of it with one thing
more. transformers reads each as it reads a checkpoint's, builds the (small) network, and is asked what it has built.
"""

import json
import logging
import math
import os
import sys
import tempfile

import torch
import transformers
from make_family_logits import dump

# What every real checkpoint says. Heads and layers are many enough for the defaults: 32 heads of keys, a window in the
# layers from the 28th on.
BASE = dict(vocab_size=32, hidden_size=64, num_hidden_layers=30, num_attention_heads=32, intermediate_size=48,
            eos_token_id=2)
MPT = dict(vocab_size=32, d_model=64, n_layers=2, n_heads=4, eos_token_id=2)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0)
LONG = dict(long_factor=[2.0], short_factor=[1.0])
ROPES = {
    "rope_theta": dict(rope_theta=5e5),
    "rope_scaling_null": dict(rope_theta=5e5, rope_scaling=None),
    "rope_scaling_empty": dict(rope_theta=5e5, rope_scaling={}),
    "linear_old": dict(rope_theta=5e5, rope_scaling=dict(type="linear", factor=2.0)),
    "linear_with_theta": dict(rope_theta=5e5, rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=3e5)),
    "both_names": dict(rope_scaling=dict(type="linear", factor=2.0), rope_parameters=dict(rope_type="default")),
    "llama3": dict(rope_scaling=LLAMA3),
    "llama3_beside": dict(rope_scaling=LLAMA3 | dict(original_max_position_embeddings=64),
                          original_max_position_embeddings=32),
    "yarn": dict(rope_scaling=dict(type="yarn", factor=4.0)),
}
SLIDES = dict(use_sliding_window=True)
SLIDING = {"window": dict(sliding_window=8), "window_null": dict(sliding_window=None)}
QWEN = ROPES | {
    "heads_null": dict(num_key_value_heads=None), "slides": SLIDES, "slides_null": SLIDES | dict(sliding_window=None),
    "slides_early": SLIDES | dict(max_window_layers=1, sliding_window=8), "does_not_slide": dict(sliding_window=0),
}
GEMMA3_ROPES = {
    "rope_theta": dict(rope_theta=5e5), "local_theta": dict(rope_local_base_freq=3e4),
    "scaled_old": dict(rope_theta=5e5, rope_scaling=dict(rope_type="linear", factor=8.0)),
    "nested": dict(rope_parameters=dict(full_attention=dict(rope_type="linear", factor=8.0, rope_theta=5e5),
                                        sliding_attention=dict(rope_type="default", rope_theta=3e4))),
    "nested_without_thetas": dict(rope_parameters=dict(full_attention=dict(rope_type="linear", factor=8.0),
                                                       sliding_attention=dict(rope_type="default"))),
    "nested_full_only": dict(rope_parameters=dict(full_attention=dict(rope_type="default", rope_theta=5e5)),
                             rope_local_base_freq=3e4),
    "nested_sliding_null": dict(rope_parameters=dict(full_attention=dict(rope_type="default"), sliding_attention=None)),
    "nested_and_scaled": dict(rope_parameters=dict(full_attention=dict(rope_type="default", rope_theta=5e5)),
                              rope_scaling=dict(rope_type="linear", factor=8.0)),
    "scaled_empty": dict(rope_theta=5e5, rope_scaling={}),
}
SCALED = dict(rope_parameters=dict(full_attention=dict(rope_type="linear", factor=8.0)))
GEMMA3_ROPES |= {"nested_and_" + name: SCALED | dict(rope_scaling=change) for name, change in {
    "null": None, "empty": {}, "theta": dict(rope_theta=5e5), "factor": dict(factor=4.0),
    "kind": dict(rope_type="default")}.items()}
SOFT = {"caps_null": dict(attn_logit_softcapping=None, final_logit_softcapping=None),
        "scores_capped": dict(attn_logit_softcapping=25.0), "logits_capped": dict(final_logit_softcapping=20.0),
        "query_scalar": dict(query_pre_attn_scalar=64)}

# family -> architecture, what is added to BASE, variants
FAMILIES = {
    "llama": ("LlamaForCausalLM", {}, ROPES | {
        "heads_null": dict(num_key_value_heads=None, head_dim=None), "head_dim": dict(head_dim=4, num_key_value_heads=8),
        "biases": dict(attention_bias=True, mlp_bias=True), "tied": dict(tie_word_embeddings=True)}),
    "mistral": ("MistralForCausalLM", {}, ROPES | SLIDING | {"head_dim": dict(head_dim=4)}),
    "qwen2": ("Qwen2ForCausalLM", {}, QWEN),
    "qwen3": ("Qwen3ForCausalLM", {}, QWEN | {"biases": dict(attention_bias=True)}),
    "gemma": ("GemmaForCausalLM", {}, ROPES | {
        "gelu": dict(hidden_act="gelu"), "gelu_python": dict(hidden_act="gelu_python"), "silu": dict(hidden_act="silu"),
        "published": dict(hidden_act="gelu", hidden_activation=None), "untied": dict(tie_word_embeddings=False)}),
    "gemma2": ("Gemma2ForCausalLM", {}, ROPES | SOFT | {
        "window": dict(sliding_window=8), "pattern": dict(sliding_window_pattern=3),
        "silu": dict(hidden_activation="silu"), "other_word": dict(hidden_act="silu")}),
    "gemma3": ("Gemma3ForCausalLM", {}, GEMMA3_ROPES | SOFT | {
        "window": dict(sliding_window=8), "pattern": dict(sliding_window_pattern=3),
        "pattern_one": dict(sliding_window_pattern=1),
        "all_full_null": dict(layer_types=["full_attention"] * 30, sliding_window=None),
        "pattern_one_null": dict(sliding_window_pattern=1, sliding_window=None),
        "other_word": dict(hidden_act="silu")}),
    "phi3": ("Phi3ForCausalLM", dict(pad_token_id=0), SLIDING | {
        "rope_theta": dict(rope_theta=5e5), "partial": dict(hidden_size=256, partial_rotary_factor=0.5),
        "long": dict(max_position_embeddings=8192, rope_scaling=LONG | dict(type="longrope")),
        "long_yarn": dict(max_position_embeddings=8192, rope_scaling=LONG | dict(type="yarn")),
        "long_beside": dict(max_position_embeddings=8192, original_max_position_embeddings=1024,
                            rope_scaling=LONG | dict(type="longrope")),
        "long_inside": dict(max_position_embeddings=8192,
                            rope_parameters=LONG | dict(rope_type="longrope", original_max_position_embeddings=1024)),
        "heads_null": dict(num_key_value_heads=None)}),
    "stablelm": ("StableLmForCausalLM", dict(hidden_size=512), ROPES | {
        "partial": dict(partial_rotary_factor=0.5), "parallel": dict(use_parallel_residual=True, qk_layernorm=True),
        "partial_inside": dict(rope_parameters=dict(rope_type="default", rope_theta=5e5, partial_rotary_factor=0.5)),
        "biases": dict(use_qkv_bias=True)}),
    "falcon": ("FalconForCausalLM", {}, ROPES | {
        "n_embed": dict(hidden_size=128, n_embed=64), "many_heads": dict(multi_query=False), "biases": dict(bias=True),
        "many_heads_null": dict(multi_query=None), "sequential": dict(parallel_attn=False),
        "sequential_null": dict(parallel_attn=None), "alibi": dict(alibi=True), "alibi_null": dict(alibi=None),
        "new": dict(new_decoder_architecture=True), "new_heads": dict(new_decoder_architecture=True, num_kv_heads=8),
        "new_one_norm": dict(new_decoder_architecture=True, num_ln_in_parallel_attn=1),
        "new_norms_null": dict(new_decoder_architecture=True, num_ln_in_parallel_attn=None),
        "feed_forward": dict(ffn_hidden_size=96), "feed_forward_null": dict(ffn_hidden_size=None),
        "untied": dict(tie_word_embeddings=False)}),
    "mpt": ("MptForCausalLM", {}, {
        "attention_null": dict(attn_config=None), "attention_empty": dict(attn_config={}),
        "clipped": dict(attn_config=dict(clip_qkv=6.0)), "clip_null": dict(attn_config=dict(clip_qkv=None)),
        "scaled": dict(attn_config=dict(softmax_scale=0.5)), "six_heads": dict(d_model=48, n_heads=6)}),
    "gpt_neox": ("GPTNeoXForCausalLM", dict(hidden_size=512), {
        "old": dict(rotary_pct=0.5, rotary_emb_base=5e5), "other_words": dict(rope_theta=5e5, partial_rotary_factor=0.5),
        "new": dict(rope_parameters=dict(rope_type="default", rope_theta=5e5, partial_rotary_factor=0.5)),
        "linear": dict(rope_scaling=dict(type="linear", factor=2.0)), "sequential": dict(use_parallel_residual=False),
        "no_biases": dict(attention_bias=False), "gelu_new": dict(hidden_act="gelu_new")}),
}
# Keys that we read, if a class has them: printed with their defaults.
KEYS = """num_key_value_heads num_kv_heads head_dim hidden_act hidden_activation activation max_position_embeddings
    max_seq_len original_max_position_embeddings rms_norm_eps layer_norm_eps layer_norm_epsilon tie_word_embeddings
    rope_parameters attention_bias mlp_bias use_qkv_bias qk_layernorm use_parallel_residual bias no_bias alibi multi_query
    parallel_attn new_decoder_architecture num_ln_in_parallel_attn ffn_hidden_size expansion_ratio sliding_window
    use_sliding_window max_window_layers query_pre_attn_scalar attn_logit_softcapping
    final_logit_softcapping use_bidirectional_attention norm_type logit_scale""".split()


def activation_name(function):
    x = torch.linspace(-3, 3, 31)
    for name, known in {"silu": torch.nn.functional.silu, "gelu": torch.nn.functional.gelu,
                        "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh")}.items():
        if torch.equal(function(x), known(x)) or (function(x) - known(x)).abs().max() < 1e-6:
            return name
    raise ValueError(function)


def first(layer, *names):
    """The first of the layer's parts that is there; names may have dots."""
    for name in names:
        part = layer
        for piece in name.split("."):
            part = getattr(part, piece, None)
        if part is not None:
            return part
    return None


def windows(config, layers):
    """Of every layer, 0 for none; empty if none has one."""
    if config.model_type in ("mistral", "phi3"):  # one mask for all layers
        found = [config.sliding_window or 0] * len(layers)
    else:
        found = [getattr(first(layer, "self_attn"), "sliding_window", None) or 0 for layer in layers]
    return found if any(found) else []


def describe_rope(parameters, rotary, prefix=""):
    kind = parameters["rope_type"]
    described = dict(type=kind, theta=parameters["rope_theta"],
                     size=2 * getattr(rotary, prefix + "inv_freq").numel(),
                     attention_scaling=getattr(rotary, prefix + "attention_scaling"))
    if kind != "default":
        described["factor"] = parameters.get("factor")
    if kind in ("llama3", "yarn", "longrope"):
        described["original_length"] = parameters["original_max_position_embeddings"]
    return described


def ropes(model):
    """Of layers that see everything, and where they differ, of those with a window."""
    rotary = next((m for name, m in model.named_modules() if name.endswith(("rotary_emb", "rotary_embedding"))), None)
    if rotary is None or getattr(model.config, "alibi", False):
        return []
    parameters = model.config.rope_parameters
    if "full_attention" in parameters:
        kinds = [k for k in ("full_attention", "sliding_attention") if k in model.config.layer_types]
        return [describe_rope(parameters[kind], rotary, kind + "_") for kind in kinds]
    return [describe_rope(parameters, rotary)]


def soft_caps(model):
    """Of scores and of logits. Both keys are known to classes that do not use them: so the network is asked, by one token
    whose attention tells what it is given, and whose logits are 100 before they are bounded."""
    config = model.config
    if not hasattr(config, "attn_logit_softcapping"):
        return 0.0, 0.0
    caps = set()

    def attend(module, query, key, value, mask, softcap=None, **others):
        caps.add(softcap or 0.0)
        return query.transpose(1, 2), None

    transformers.AttentionInterface.register("asked", attend)
    model.set_attn_implementation("asked")
    model.get_output_embeddings().register_forward_hook(lambda module, inputs, logits: torch.full_like(logits, 100.0))
    logit = model(torch.tensor([[1]])).logits.flatten()[0].item()
    output_cap = config.final_logit_softcapping or 0.0
    bounded = output_cap * math.tanh(100.0 / output_cap) if output_cap else 100.0
    assert len(caps) == 1 and abs(logit - bounded) < 1e-4, (caps, logit)
    return caps.pop(), output_cap


def describe(model):
    config = model.config
    body = model.base_model
    layers = first(body, "layers", "h", "blocks")
    layer = layers[0]
    attention = first(layer, "self_attn", "self_attention", "attention", "attn")
    query = first(attention, "q_proj", "qkv_proj", "query_key_value", "Wqkv")
    out = first(attention, "o_proj", "dense", "out_proj")
    up = first(layer, "mlp.up_proj", "mlp.gate_up_proj", "mlp.dense_h_to_4h", "ffn.up_proj")
    down = first(layer, "mlp.down_proj", "mlp.dense_4h_to_h", "ffn.down_proj")
    heads = config.num_attention_heads
    key = first(attention, "k_proj")
    size = out.weight.shape[1] // heads
    key_rows = key.weight.shape[0] if key is not None else (query.weight.shape[0] - out.weight.shape[1]) // 2
    norms = [module for name, module in layer.named_children() if "norm" in name or name.startswith("ln")]
    parallel = getattr(config, "use_parallel_residual", None)
    if parallel is None:
        parallel = bool(getattr(config, "parallel_attn", False)) or bool(
            getattr(config, "new_decoder_architecture", False))
    scale = first(attention, "scaling", "softmax_scale", "inv_norm_factor")
    attention_softcap, output_softcap = soft_caps(model)
    return dict(
        hidden_size=out.weight.shape[0], num_layers=len(layers), num_heads=heads, num_kv_heads=key_rows // size,
        head_size=size, feed_forward_size=down.weight.shape[1],
        trained_tokens=getattr(config, "max_position_embeddings", None) or config.max_seq_len,
        norm_epsilon=first(norms[0], "variance_epsilon", "eps"),
        norm_bias=getattr(norms[0], "bias", None) is not None, norms=len(norms), parallel=parallel,
        head_norms=first(attention, "q_norm", "q_layernorm") is not None,
        activation=activation_name(first(layer, "mlp.act_fn", "mlp.activation_fn", "mlp.act", "ffn.act")),
        tied_embeddings=model.get_output_embeddings().weight is model.get_input_embeddings().weight,
        qkv_bias=query.bias is not None, attention_out_bias=out.bias is not None,
        feed_forward_bias=up.bias is not None,
        windows=windows(config, layers), ropes=ropes(model),
        alibi=config.model_type == "mpt" or bool(getattr(config, "alibi", False)),
        attention_scale=scale if isinstance(scale, float) else size ** -0.5,
        attention_softcap=attention_softcap, output_softcap=output_softcap,
        qkv_clip=getattr(attention, "clip_qkv", None) or 0.0,
    )


def read(config):
    """config.json -> the network that transformers builds."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "config.json"), "w") as file:
            json.dump(config, file)
        model_class = getattr(transformers, config["architectures"][0])
        return model_class(model_class.config_class.from_pretrained(folder))


def main():
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    cases = {}
    for family, (architecture, more, variants) in FAMILIES.items():
        base = dict(architectures=[architecture]) | (MPT if family == "mpt" else BASE | more)
        network = describe(read(base))
        cases[family] = dict(config=base, network=network)
        for variant, change in variants.items():
            other = describe(read(base | change))
            differs = {key: value for key, value in other.items() if value != network[key]}
            cases[f"{family} {variant}"] = dict(change=change, differs=differs)
        defaults = getattr(transformers, architecture).config_class()
        print(family, {key: getattr(defaults, key) for key in KEYS if hasattr(defaults, key)})
        print(f"{family}: {1 + len(variants)} cases", file=sys.stderr)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "defaults.json")
    with open(path, "w") as file:
        dump(dict(made_by=f"transformers {transformers.__version__}, torch {torch.__version__}", **cases), file)


if __name__ == "__main__":
    main()
