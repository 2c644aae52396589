"""Logits of small models of every family by transformers' own classes, from checkpoint files: float32, plain
("eager") attention.

Usage: make_family_logits.py [CASE ...]     writes logits/CASE.json, all cases if none is named

For each case transformers writes a checkpoint (config.json and model.safetensors); the weights in it are replaced by
the formula's under the names that are in the file; transformers reads it again and runs it. Kept: config.json, the
tensors' names and shapes, rows of logits of one prompt, and of the last tokens of three turns (keys and values kept in
between). `published`: another config.json that transformers reads as the same model. `planted`: what an error does to
the prompt's rows, again by transformers.
"""

import contextlib
import copy
import functools
import json
import os
import sys
import tempfile

import safetensors.numpy
import torch
import transformers
from family_cases import CASES, COMMON
from family_weights import describe, prompt_tokens, weight
from transformers.models.mpt.modeling_mpt import MptModel

POSITIONS = [0, 1, 9, 39]
TURNS = [9, 7, 14]


def merge(target, patch):
    """RFC 7386, as nlohmann::json::merge_patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def write_checkpoint(folder, config, tensors, zero=()):
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)
    weights = {t[0]: weight(*t) * (0 if t[0] in zero else 1) for t in tensors}
    safetensors.numpy.save_file(weights, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def load(config, tensors, zero=(), attention="eager"):
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(folder, config, tensors, zero)
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation=attention, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"], report
    return model.eval()


def blank_checkpoint(case):
    """config.json and [[name, shape, centre, spread]] as transformers writes them."""
    config = transformers.AutoConfig.for_model(case["model_type"], **COMMON, **case["config"])
    model = transformers.AutoModelForCausalLM.from_config(config)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        with open(os.path.join(folder, "config.json")) as file:
            config = json.load(file)
        tensors = safetensors.numpy.load_file(os.path.join(folder, "model.safetensors"))
    return config, [describe(name, tensors[name].shape, case["model_type"]) for name in sorted(tensors)]


def rows(logits, positions):
    return [dict(row=p, logits=[round(v, 6) for v in logits[p].tolist()]) for p in positions]


def largest_difference(a, b):
    return (a - b).abs().max().item()


def run_turns(model, turns):
    past, kept = transformers.DynamicCache(config=model.config), []
    for tokens in turns:
        reply = model(torch.tensor([tokens]), past_key_values=past, use_cache=True)
        past = reply.past_key_values
        kept.append(dict(feed=tokens, rows=rows(reply.logits[0], [len(tokens) - 1])))
    return kept


@contextlib.contextmanager
def alibi_bias_max(config):
    """transformers reads MPT's alibi_bias_max and then takes 8 whatever it says; for the planted error it is obeyed."""
    original = MptModel.build_mpt_alibi_tensor
    largest = config["attn_config"]["alibi_bias_max"] if config["model_type"] == "mpt" else 8
    MptModel.build_mpt_alibi_tensor = functools.partialmethod(original, alibi_bias_max=largest)
    yield
    MptModel.build_mpt_alibi_tensor = original


def make_case(name, case):
    config, tensors = blank_checkpoint(case)
    attention = case.get("attention", "eager")
    model = load(config, tensors, attention=attention)
    prompt = prompt_tokens(40, seed=1)
    logits = model(torch.tensor([prompt])).logits[0]
    noise = largest_difference(copy.deepcopy(model).double()(torch.tensor([prompt])).logits[0], logits)
    result = dict(
        name=name, made_by=f"transformers {transformers.__version__}, torch {torch.__version__}, float32, {attention}",
        config=config, tensors=tensors, prompt=dict(feed=prompt, rows=rows(logits, POSITIONS)),
    )
    if not case.get("only_prompt"):
        result["turns"] = run_turns(model, [prompt_tokens(n, seed=2 + i) for i, n in enumerate(TURNS)])
    if "published" in case:
        again = load(case["published"], tensors, attention=attention)(torch.tensor([prompt])).logits[0]
        assert largest_difference(again, logits) == 0, (name, largest_difference(again, logits))
        result["published"] = case["published"]
    planted = case["planted"]
    wrong_config = merge(config, planted.get("config", {}))
    with alibi_bias_max(wrong_config):
        wrong = load(wrong_config, tensors, planted.get("zero", ()), attention)(torch.tensor([prompt]))
    difference = largest_difference(wrong.logits[0][POSITIONS], logits[POSITIONS])
    assert difference > 0.01, (name, planted, difference)
    result["planted"] = planted | dict(largest_difference=round(difference, 4))
    print(f"{name}: logits up to {logits.abs().max():.2f}, float64 differs by {noise:.1e}, planted {difference:.4f}",
          file=sys.stderr)
    return result


def dump(result, file):
    """One line per member, so that a change can be read."""
    lines = [f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in result.items()]
    file.write("{" + ",\n".join(lines) + "}\n")


def main():
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "logits")
    os.makedirs(folder, exist_ok=True)
    for name in sys.argv[1:] or CASES:
        result = make_case(name, CASES[name])
        with open(os.path.join(folder, name + ".json"), "w") as file:
            dump(result, file)


if __name__ == "__main__":
    main()
