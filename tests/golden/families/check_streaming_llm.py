"""The golden values past the capacity against StreamingLLM's own code (GitHub: mit-han-lab/streaming-llm), in float64.

Usage: check_streaming_llm.py STREAMING_LLM     prints the largest difference for every case that its code can play

STREAMING_LLM is a checkout; it needs transformers 4.33 (pip install transformers==4.33.0 numpy==1.26.4). Nothing of it
is kept here. Token by token: token-wise cases by its cache with start_size = S and recent_size = W - 1 (the next token
comes on top), the others by its evict_range(past, S, S + b(t) - b(t-1)) before each token. It has no rewinds and no
notes.
"""

import json
import os
import sys

import torch
import transformers
from family_weights import weight

HERE = os.path.dirname(os.path.abspath(__file__))
# Its Falcon keeps keys as they come out of the projection only where one key head serves all.
FAMILIES = {"llama2": "Llama", "sink_token": "Llama", "gpt_neox": "GPTNeoX", "falcon_7b": "Falcon",
            "mpt": "Mpt"}
SETTINGS = {
    "Llama": ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
              "intermediate_size", "rms_norm_eps"],
    "GPTNeoX": ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                "layer_norm_eps", "use_parallel_residual", "rotary_pct", "hidden_act"],
    "Falcon": ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "multi_query", "parallel_attn",
               "bias", "alibi", "new_decoder_architecture", "layer_norm_epsilon"],
    "Mpt": ["vocab_size", "d_model", "n_heads", "n_layers", "expansion_ratio", "max_seq_len", "no_bias", "attn_config"],
}


def widen_heads(model, config):
    """transformers 4.33 knows no head_dim: heads are as wide as the model allows."""
    size, heads, kv_heads = config["head_dim"], config["num_attention_heads"], config["num_key_value_heads"]
    for layer in model.model.layers:
        attention = layer.self_attn
        attention.head_dim, attention.hidden_size = size, heads * size
        attention.rotary_emb = type(attention.rotary_emb)(size, max_position_embeddings=256)
        for name, count in (("q_proj", heads), ("k_proj", kv_heads), ("v_proj", kv_heads)):
            setattr(attention, name, torch.nn.Linear(config["hidden_size"], count * size, bias=False))
        attention.o_proj = torch.nn.Linear(heads * size, config["hidden_size"], bias=False)


def make_model(golden, family):
    kept = {key: golden["config"][key] for key in SETTINGS[family] if key in golden["config"]}
    if family == "GPTNeoX":
        kept["rotary_pct"] = golden["config"]["rope_parameters"]["partial_rotary_factor"]
    if family == "Mpt":
        kept["attn_config"] = {k: kept["attn_config"][k] for k in ("alibi", "alibi_bias_max", "clip_qkv")}
    model = getattr(transformers, family + "ForCausalLM")(getattr(transformers, family + "Config")(**kept))
    if family == "Llama":
        widen_heads(model, golden["config"])
    if family == "Falcon":
        for block in model.transformer.h:
            block.self_attention.num_kv = 1  # what it was called before
    state = {t[0]: torch.from_numpy(weight(*t)).double() for t in golden["tensors"]}
    report = model.load_state_dict(state, strict=False)
    lacking = [k for k in report.missing_keys if k != "lm_head.weight" and not k.endswith((
        "inv_freq", "masked_bias", "attention.bias"))]
    assert not lacking and not report.unexpected_keys, report
    model.tie_weights()
    return model.eval()


def play(model, case):
    from streaming_llm.enable_streaming_llm import enable_streaming_llm
    from streaming_llm.kv_cache import StartRecentKVCache

    sinks, begin, past, largest = case["sink_tokens"], case["sink_tokens"], None, 0.0
    enable_streaming_llm(model, sinks, case["window_tokens"] - 1)
    # Its numbers for Falcon and MPT are those of models that were not yet in transformers; there all keep tokens in 2.
    evict = StartRecentKVCache(sinks, case["window_tokens"] - 1, k_seq_dim=2, v_seq_dim=2)
    for step in case["steps"]:
        rows = {row["row"]: row["logits"] for row in step["rows"]}
        for i, (token, b) in enumerate(zip(step["feed"], step["window_begin"])):
            if case["eviction"] == "token_wise":
                past = evict(past)
            elif b != begin:
                past, begin = evict.evict_range(past, sinks, sinks + b - begin), b
            reply = model(torch.tensor([[token]]), past_key_values=past, use_cache=True)
            past = reply.past_key_values
            if i in rows:
                difference = reply.logits[0, -1] - torch.tensor(rows[i])
                largest = max(largest, difference.abs().max().item())
    return largest


def main():
    sys.path.insert(0, sys.argv[1])
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    softmax = torch.nn.functional.softmax  # its Llama asks for float32 in between
    torch.nn.functional.softmax = lambda x, dim, dtype=None: softmax(x, dim=dim)
    for file_name, family in FAMILIES.items():
        with open(os.path.join(HERE, "sink_window", file_name + ".json")) as file:
            played = json.load(file)
        with open(os.path.join(HERE, played["checkpoint"])) as file:
            golden = json.load(file)
        for case in played["cases"]:
            if all("feed" in step for step in case["steps"]):
                print(f"{file_name} {case['name']}: {play(make_model(golden, family), case):.1e}", flush=True)


if __name__ == "__main__":
    main()
