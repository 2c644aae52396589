"""Logits of small models of the Llama family by transformers' own classes, float32.

Usage: make_small_model_logits.py > small_models.json

Each case: the settings that differ from SmallConfig(), and the logits of some tokens of one prompt.
"""

import json
import sys

import torch
from formula_weights import SMALL, formula_weight, some_tokens
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

POSITIONS = [0, 1, 7, 24, 47]
NUM_TOKENS = 48

LLAMA3 = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_length=32)
YARN = dict(factor=4.0, original_length=64, beta_fast=32.0, beta_slow=1.0)

# name -> settings, in the words of model/model_config.h
CASES = {
    "grouped_query": {},
    "one_key_head_per_query_head": dict(num_kv_heads=4),
    "one_key_head": dict(num_kv_heads=1),
    "tied_embeddings": dict(tied_embeddings=True),
    "attention_bias": dict(attention_bias=True),
    "feed_forward_bias": dict(feed_forward_bias=True),
    "large_theta": dict(rope_theta=500000.0),
    "rope_linear": dict(rope_kind="linear", rope=dict(factor=4.0)),
    "rope_llama3": dict(rope_kind="llama3", rope=LLAMA3),
    "rope_yarn": dict(rope_kind="yarn", rope=YARN),
    "rope_yarn_attention_factor": dict(rope_kind="yarn", rope=dict(YARN, attention_factor=0.7)),
    "mistral": dict(architecture="mistral"),
    "mistral_layer_window": dict(architecture="mistral", layer_window_tokens=10),
}


def transformers_rope(settings):
    if "rope_kind" not in settings:
        return None
    rope = dict(settings["rope"])
    if "original_length" in rope:
        rope["original_max_position_embeddings"] = rope.pop("original_length")
    return dict(rope_type=settings["rope_kind"], rope_theta=settings.get("rope_theta", SMALL["rope_theta"]), **rope)


def make_model(settings):
    s = {**SMALL, **settings}
    common = dict(
        vocab_size=s["vocab_size"],
        hidden_size=s["hidden_size"],
        num_hidden_layers=s["num_layers"],
        num_attention_heads=s["num_heads"],
        num_key_value_heads=s["num_kv_heads"],
        head_dim=s["head_size"],
        intermediate_size=s["feed_forward_size"],
        rms_norm_eps=s["rms_norm_epsilon"],
        max_position_embeddings=4096,
        tie_word_embeddings=s.get("tied_embeddings", False),
        attn_implementation="eager",
    )
    rope = transformers_rope(s) or dict(rope_type="default", rope_theta=s["rope_theta"])
    common["rope_parameters"] = rope
    if s.get("architecture") == "mistral":
        config = MistralConfig(**common, sliding_window=s.get("layer_window_tokens"))
        model = MistralForCausalLM(config)
    else:
        config = LlamaConfig(
            **common, attention_bias=s.get("attention_bias", False), mlp_bias=s.get("feed_forward_bias", False)
        )
        model = LlamaForCausalLM(config)
    assert model.model.rotary_emb.config.rope_parameters["rope_theta"] == s["rope_theta"]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            canonical = name.removeprefix("model.")
            parameter.copy_(torch.from_numpy(formula_weight(canonical, tuple(parameter.shape))))
    return model.eval()


def main():
    tokens = some_tokens(NUM_TOKENS, seed=1)
    cases = []
    for name, settings in CASES.items():
        with torch.no_grad():
            logits = make_model(settings)(torch.tensor([tokens])).logits[0]
        rows = [[round(v, 6) for v in logits[position].tolist()] for position in POSITIONS]
        cases.append(dict(name=name, settings=settings, logits=rows))
    json.dump(
        dict(made_by="transformers, float32", tokens=tokens, positions=POSITIONS, cases=cases), sys.stdout, indent=None
    )
    print()


if __name__ == "__main__":
    main()
