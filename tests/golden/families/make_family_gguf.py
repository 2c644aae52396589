"""GGUF files of small models by llama.cpp's own converter, and the log-probabilities that llama.cpp gives on them.

Usage: make_family_gguf.py LLAMA_CPP [CASE ...]     writes gguf/CASE.json, all cases if none is named

LLAMA_CPP is llama.cpp's source folder, for convert_hf_to_gguf.py (its conversion/ and gguf-py/ too); the llama.cpp that
runs the file is the one in the xllamacpp package. The checkpoint that is converted is the one of make_family_logits.py.
No GGUF file is kept: the converter only moves numbers about, so that the JSON says for every tensor from where in the
checkpoint's tensors its numbers come. Every description is checked to give back the converter's bytes.
"""

import copy
import importlib.metadata
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from family_cases import CASES
from family_weights import prompt_tokens, weight
from llama_cpp_server import LlamaCpp
from make_family_logits import blank_checkpoint, dump, largest_difference, load, write_checkpoint

POSITIONS = [0, 9, 39]
MAX_TOKENS = 256
VOCABULARY = ["<unk>", "<s>", "</s>", "<0x0A>"] + [chr(ord("a") + i) for i in range(26)] + ["\u2581", "\u2581a"]
TYPES = [2, 3, 3, 6] + [1] * 28

# case of family_cases.py -> what is changed in config.json, where GGUF has no word for it:
# Gemma's query_pre_attn_scalar, which llama.cpp takes to be the head size.
GGUF_CASES = {
    "llama2": {}, "llama3": {}, "qwen2": {}, "qwen3": {}, "gemma": {},
    "gemma2": dict(query_pre_attn_scalar=16), "gemma3": dict(query_pre_attn_scalar=16), "phi3": {},
    "phi3_partial_rotary": {}, "phi3_longrope_short": {}, "phi3_longrope_long": {}, "stablelm": {},
    "stablelm_qkv_bias": {}, "stablelm_parallel": {}, "falcon_7b": {}, "falcon_11b": {}, "falcon_40b": {}, "mpt": {},
    "mpt_clipped_six_heads": {}, "gpt_neox": {}, "gpt_neox_sequential": {},
    "gemma3_without_windows": dict(query_pre_attn_scalar=16, sliding_window_pattern=1),
    "gemma3_counted_windows": dict(query_pre_attn_scalar=16, sliding_window_pattern=3),
    "gemma3_listed_windows": dict(
        query_pre_attn_scalar=16, layer_types=[f"{kind}_attention" for kind in (
            "sliding", "full", "sliding", "sliding", "full", "sliding")]),
}
CHECKPOINTS = {name: "gemma3" for name in GGUF_CASES if name.startswith("gemma3_")}  # of other names than their case's
# attention.sliding_window_pattern, which llama.cpp reads for Gemma 2 and 3, and its converter writes for others.
PATTERNS = {"gemma3_counted_windows": 3, "gemma3_listed_windows": [True, False, True, True, False, True]}


def convert(llama_cpp, folder, config, tensors, pattern):
    """Runs the converter on the checkpoint, with a vocabulary of ours, since the checkpoint has no tokenizer."""
    sys.path[:0] = [os.path.join(llama_cpp, "gguf-py"), llama_cpp]
    import conversion
    import gguf

    write_checkpoint(folder, config, tensors)
    with open(os.path.join(folder, "tokenizer.json"), "w") as file:  # Gemma 3's converter counts its tokens
        json.dump(dict(model=dict(vocab={t: i for i, t in enumerate(VOCABULARY)}), added_tokens=[]), file)
    model_class = conversion.get_model_class(config["architectures"][0])

    class WithVocabulary(model_class):
        model_arch = model_class.model_arch

        def set_vocab(self):
            writer = self.gguf_writer
            writer.add_tokenizer_model("llama")
            writer.add_token_list(VOCABULARY)
            writer.add_token_scores([0.0] * len(VOCABULARY))
            writer.add_token_types(TYPES)
            writer.add_bos_token_id(1)
            writer.add_eos_token_id(2)
            writer.add_add_bos_token(False)

        def set_gguf_parameters(self):
            super().set_gguf_parameters()
            if pattern is not None:
                self.gguf_writer.add_sliding_window_pattern(pattern)

        def modify_tensors(self, data_torch, name, bid):
            """StableLM's is a generator by mistake: what it returns, the stacked norms of heads, it means to yield."""
            generator = super().modify_tensors(data_torch, name, bid)
            returned = yield from generator
            yield from returned or ()

    path = os.path.join(folder, "model.gguf")
    with torch.inference_mode():
        # config.json as it is: the converter would have transformers fill in Falcon's default for key heads, wrongly.
        WithVocabulary(Path(folder), gguf.LlamaFileType.ALL_F32, Path(path), hparams=copy.deepcopy(config)).write()
    return path


def runs_of(values, sources, flat):
    """[[source, first element, how many]] whose concatenation is `values`; rows first, else single numbers."""
    width = values.shape[-1] if values.ndim > 1 else 1
    rows = values.reshape(-1, width)
    table = {}
    for number, (source, numbers) in enumerate(zip(sources, flat)):
        if (len(source[1]) > 1 and source[1][-1] == width) or (len(source[1]) == 1 and width in (1, numbers.size)):
            for row, piece in enumerate(numbers.reshape(-1, width)):
                table.setdefault(piece.tobytes(), []).append((number, row * width))
    runs = []
    for row in rows:
        found = table.get(row.tobytes())
        if found is None:
            return None
        following = [f for f in found if runs and runs[-1][0] == f[0] and runs[-1][1] + runs[-1][2] == f[1]]
        if following:
            runs[-1][2] += width
        else:
            runs.append([found[0][0], found[0][1], width])
    return runs


def describe_tensors(reader, sources):
    """[[name, dimensions, runs, added]] or [name, dimensions, numbers] for the few that the converter makes up."""
    flat = [weight(*source).reshape(-1) for source in sources]
    described = []
    for tensor in reader.tensors:
        values = np.array(tensor.data, dtype=np.float32)
        dimensions = [int(d) for d in tensor.shape]
        for added in (0, 1):
            shifted = [numbers + np.float32(added) for numbers in flat]
            runs = runs_of(values, sources, shifted)
            if runs is not None:
                again = np.concatenate([shifted[s][first : first + count] for s, first, count in runs])
                assert again.tobytes() == values.tobytes()
                described.append([tensor.name, dimensions, [[sources[s][0], a, b] for s, a, b in runs], added])
                break
        else:
            assert values.size <= 16, tensor.name
            described.append([tensor.name, dimensions, [float(v) for v in values.reshape(-1)]])
    return described


def describe_keys(reader):
    """[[key, type, value]], an array's type as "ARRAY ELEMENT"; without what only names the file."""
    keys = []
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or (name.startswith("general.") and name not in (
                "general.architecture", "general.file_type", "general.quantization_version")):
            continue
        keys.append([name, " ".join(t.name for t in field.types[:2]), field.contents()])
    return keys


def log_probabilities(llama, tokens):
    """Of all tokens that could follow, by id."""
    (row,) = llama.next_tokens(tokens, 1, len(VOCABULARY))[1]
    return [value for _, value in sorted(row)]


class LlamaCppGelu(torch.nn.Module):
    """llama.cpp's on a CPU: the approximation by tanh for all models, looked up in a table of 16-bit floats."""

    def forward(self, x):
        looked_up = torch.nn.functional.gelu(x.half().float(), approximate="tanh").half().float()
        return torch.where(x <= -10, 0.0, torch.where(x >= 10, x, looked_up))


def with_llama_cpps_gelu(model):
    found = False
    for module in list(model.modules()):
        for name, child in module.named_children():
            if "gelu" in type(child).__name__.lower():
                setattr(module, name, LlamaCppGelu())
                found = True
    return found


def make_case(llama_cpp, name, change):
    checkpoint = CHECKPOINTS.get(name, name)
    config, sources = blank_checkpoint(CASES[checkpoint])
    # The converter knows the form of published checkpoints.
    config = {**CASES[checkpoint].get("published", config), **change}
    prompt = prompt_tokens(40, seed=1)
    model = load(config, sources)
    expected = model(torch.tensor([prompt])).logits[0, POSITIONS].log_softmax(-1)
    with tempfile.TemporaryDirectory() as folder:
        path = convert(llama_cpp, folder, config, sources, PATTERNS.get(name))
        import gguf

        reader = gguf.GGUFReader(path)
        result = dict(
            name=name, checkpoint=f"logits/{checkpoint}.json", change=change,
            made_by="convert_hf_to_gguf.py of llama_cpp_python 0.3.36's llama.cpp; "
                    f"llama.cpp in xllamacpp {importlib.metadata.version('xllamacpp')}, float32",
            keys=describe_keys(reader), tensors=describe_tensors(reader, sources),
        )
        del reader
        llama = LlamaCpp(path, MAX_TOKENS)
        rows = [log_probabilities(llama, prompt[: p + 1]) for p in POSITIONS]
    result["prompt"] = dict(feed=prompt, rows=[
        dict(row=p, llama_cpp=[round(v, 6) for v in row], transformers=[round(v, 6) for v in other.tolist()])
        for p, row, other in zip(POSITIONS, rows, expected)])
    result["difference"] = float(f"{largest_difference(torch.tensor(rows), expected):.1e}")
    text = f"{name}: llama.cpp and transformers differ by {result['difference']}"
    if with_llama_cpps_gelu(model):
        same = model(torch.tensor([prompt])).logits[0, POSITIONS].log_softmax(-1)
        result["difference_with_llama_cpps_gelu"] = float(f"{largest_difference(torch.tensor(rows), same):.1e}")
        text += f", with llama.cpp's GELU by {result['difference_with_llama_cpps_gelu']}"
    assert result.get("difference_with_llama_cpps_gelu", result["difference"]) < 5e-4, text
    print(text, file=sys.stderr, flush=True)
    return result


def main():
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gguf")
    os.makedirs(folder, exist_ok=True)
    for name in sys.argv[2:] or GGUF_CASES:
        result = make_case(os.path.abspath(sys.argv[1]), name, GGUF_CASES[name])
        with open(os.path.join(folder, name + ".json"), "w") as file:
            dump(result, file)
    os._exit(0)  # the servers' threads do not end by themselves


if __name__ == "__main__":
    main()
