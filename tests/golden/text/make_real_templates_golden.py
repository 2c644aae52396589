"""Published chat templates, rendered by transformers: one conversation of 1, 2 and 5 turns, with and without a system message.

real_templates.json has digests of the renderings, and of their token ids for the templates whose tokenizer is at hand.

    ./dev setup tokenizers
    pip install transformers jinja2 tokenizers xllamacpp
    python make_real_templates_golden.py PROJECT/.deps [TEMPLATE: print its renderings]
"""

import datetime
import json
import os
import pathlib
import struct
import sys

import transformers
from transformers.utils import chat_template_utils

from turns import SYSTEM, TURNS
from reference_tokenizers import HuggingFace, LlamaCpp, digest

# Template: tokenizer, bos_token, eos_token. The others are rendered only, with <s> and </s>.
TOKENIZED = {
    "smollm2": ("smollm2.gguf", "<|im_start|>", "<|im_end|>"),
    "llama3_1": ("llama3_1/tokenizer.json", "<|begin_of_text|>", "<|eot_id|>"),
    "meta-llama-Llama-3.1-8B-Instruct": ("llama3_1/tokenizer.json", "<|begin_of_text|>", "<|eot_id|>"),
    "meta-llama-Llama-3.2-3B-Instruct": ("ggml-vocab-llama-bpe.gguf", "<|begin_of_text|>", "<|eot_id|>"),
    "meta-llama-Llama-3.3-70B-Instruct": ("llama3_1/tokenizer.json", "<|begin_of_text|>", "<|eot_id|>"),
    "Qwen-Qwen2.5-7B-Instruct": ("ggml-vocab-qwen2.gguf", "", "<|im_end|>"),
    "qwen3": ("qwen3/tokenizer.json", "", "<|im_end|>"),
    "Qwen-Qwen3-0.6B": ("qwen3.gguf", "", "<|im_end|>"),
    "Qwen-QwQ-32B": ("qwen3/tokenizer.json", "", "<|im_end|>"),
    "Qwen3.5-4B": ("ggml-vocab-qwen35.gguf", "", "<|im_end|>"),
    "google-gemma-2-2b-it": ("gemma3/tokenizer.json", "<bos>", "<end_of_turn>"),
    "gemma3": ("gemma3/tokenizer.json", "<bos>", "<end_of_turn>"),
    "Phi-3-mini": ("ggml-vocab-phi-3.gguf", "<s>", "<|endoftext|>"),
    "microsoft-Phi-3.5-mini-instruct": ("ggml-vocab-phi-3.gguf", "<s>", "<|endoftext|>"),
    "mistralai-Mistral-7B-Instruct-v0.2": ("mistral1/tokenizer.json", "<s>", "</s>"),
    "mistralai-Mistral-7B-Instruct-v0.2-mistralai-v1-template-with-a-system-prompt": ("mistral1.gguf", "<s>", "</s>"),
    "mistralai-Mistral-Nemo-Instruct-2407": ("tekken/tokenizer.json", "<s>", "</s>"),
    "TheBloke-FusionNet-34Bx2-MoE-AWQ": ("llama2/tokenizer.json", "<s>", "</s>"),
    "bofenghuang-vigogne-2-70b-chat": ("ggml-vocab-llama-spm.gguf", "<s>", "</s>"),
}
TODAY = datetime.datetime(2026, 11, 23, 12, 0, 0)


class _Today(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return TODAY


def conversations():
    for with_system in (False, True):
        for count in (1, 2, 5):
            messages = [SYSTEM] if with_system else []
            for question, answer in TURNS[:count]:
                messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            yield with_system, count, messages[:-1]


def rendered(source, messages, bos, eos):
    """The text, or None where the template raises."""
    try:
        texts, _ = chat_template_utils.render_jinja_template(
            [messages], chat_template=source, add_generation_prompt=True, bos_token=bos, eos_token=eos)
        return texts[0]
    except Exception as error:  # whatever a template makes of what it is given
        print("  raises:", str(error)[:100])
        return None


def main():
    deps = pathlib.Path(sys.argv[1])
    shown = sys.argv[2] if len(sys.argv) > 2 else None
    chat_template_utils.datetime = _Today
    encoders = {}
    entries = {}
    for path in sorted((deps / "tokenizers" / "templates").glob("*.jinja")):
        if shown not in (None, path.stem):
            continue
        print(path.stem, flush=True)
        name, bos, eos = TOKENIZED.get(path.stem, (None, "<s>", "</s>"))
        if name is not None and name not in encoders:
            file = next((deps / "models").glob("SmolLM2*.gguf")) if name == "smollm2.gguf" else deps / "tokenizers" / name
            encoders[name] = HuggingFace(file) if name.endswith(".json") else LlamaCpp(file)
        prompts = []
        for with_system, count, messages in conversations():
            text = rendered(path.read_text(encoding="utf-8"), messages, bos, eos)
            prompt = {"system": with_system, "turns": count, "text": text and f"{digest(text.encode()):016x}"}
            if text is not None and name is not None:
                ids = encoders[name].encode(text, True)
                prompt["tokens"] = f"{digest(struct.pack(f'<{len(ids)}i', *ids)):016x}"
                prompt["num_tokens"] = len(ids)
            prompts.append(prompt)
            if shown:
                print(f"--- system={with_system}, {count} turns\n{text}")
        entries[path.stem] = {"bos": bos, "eos": eos, "tokenizer": name, "prompts": prompts}
    if not shown:
        golden = {"reference": f"transformers {transformers.__version__}", "system": SYSTEM["content"], "turns": TURNS, "now": TODAY.isoformat(),
                  "templates": entries}
        out = pathlib.Path(__file__).with_name("real_templates.json")
        out.write_text(json.dumps(golden, ensure_ascii=True, indent=0) + "\n")
        print(f"{len(entries)} templates, {out.stat().st_size} bytes", flush=True)
    sys.stdout.flush()
    os._exit(0)  # without llama.cpp's own ending, which complains


if __name__ == "__main__":
    main()
