"""Token ids of 2,500 strings with real tokenizers, by software that shares no code with Perennial.

tokenizer.json: Python's `tokenizers`, which is what transformers runs. GGUF: llama.cpp. The ids themselves would be
megabytes: real_tokenizers.json has four hexadecimal digits for each string, and a few strings in full.

    ./dev setup tokenizers
    pip install tokenizers xllamacpp sentencepiece
    python make_real_tokenizers_golden.py PROJECT/.deps
"""

import json
import os
import pathlib
import struct
import sys

import sentencepiece
import tokenizers
import xllamacpp

from diverse_strings import packed, thousands_of_strings
from reference_tokenizers import HuggingFace, LlamaCpp, digest

JSON_FILES = ["smollm2", "llama3_1", "qwen3", "neox", "tekken", "falcon", "llama2", "mistral1", "mistral3", "gemma3"]
GGUF_FILES = ["smollm2", "qwen3", "neox", "tekken", "mistral1", "mistral3", "gemma3", "ggml-vocab-llama-spm", "ggml-vocab-phi-3",
              "ggml-vocab-llama-bpe", "ggml-vocab-qwen2", "ggml-vocab-qwen35", "ggml-vocab-gpt-2", "ggml-vocab-mpt", "ggml-vocab-falcon",
              "ggml-vocab-refact", "ggml-vocab-starcoder", "ggml-vocab-command-r", "llama3_1-smaug"]
# The same vocabulary in both forms: the script prints on how many strings their ids differ.
SAME = {"ggml-vocab-falcon": "falcon", "ggml-vocab-llama-spm": "llama2", "ggml-vocab-llama-bpe": "llama3_1"}
EXAMPLES = ["Hello, world!", "What is the capital of France?", "cafe\u0301 \ufb01n", "    x = 1\n\n\ty", "<|im_end|></s>[INST]"]


def short_digest(ids):
    value = digest(struct.pack(f"<{len(ids)}i", *ids))
    return f"{(value ^ value >> 16 ^ value >> 32 ^ value >> 48) & 0xFFFF:04x}"


def all_digest(all_ids):
    return f"{digest(b''.join(struct.pack(f'<i{len(ids)}i', len(ids), *ids) for ids in all_ids)):016x}"


def entry(reference, encoder, strings):
    rendered = [encoder.encode(text, True) for text in strings]
    plain = [encoder.encode(text, False) for text in strings]
    return {
        "reference": reference,
        "rendered": "".join(short_digest(ids) for ids in rendered),
        "rendered_all": all_digest(rendered),
        # Most strings have the same ids in both readings.
        "text_where_it_differs": {str(i): short_digest(ids) for i, ids in enumerate(plain) if list(ids) != list(rendered[i])},
        "text_all": all_digest(plain),
        "examples": [{"text": text, "rendered": list(encoder.encode(text, True)), "plain": list(encoder.encode(text, False))} for text in EXAMPLES],
    }


def main():
    deps = pathlib.Path(sys.argv[1])
    directory = deps / "tokenizers"
    strings = thousands_of_strings()
    entries = {}
    hugging_face = {name: HuggingFace(directory / name / "tokenizer.json") for name in JSON_FILES}
    for name, encoder in hugging_face.items():
        entries[f"{name}/tokenizer.json"] = entry(f"tokenizers {tokenizers.__version__}", encoder, strings)
        print(name, flush=True)
    for name in ("mistral1", "mistral3"):
        # Their tokenizer.json stands in for the SentencePiece model that they were trained with.
        processor = sentencepiece.SentencePieceProcessor(model_file=str(directory / f"{name}.model"))
        assert all(processor.encode(text) == hugging_face[name].encode(text, False) for text in strings), name
    for name in GGUF_FILES:
        path = next((deps / "models").glob("SmolLM2*.gguf")) if name == "smollm2" else directory / f"{name}.gguf"
        llama = LlamaCpp(path)
        entries[f"{name}.gguf"] = entry(f"llama.cpp (xllamacpp {xllamacpp.__version__})", llama, strings)
        other = hugging_face.get(SAME.get(name, name))
        for with_controls in (True, False) if other else ():
            differing = [text for text in strings if list(llama.encode(text, with_controls)) != other.encode(text, with_controls)]
            print(f"{name}.gguf, with_controls={with_controls}: {len(differing)} differ from tokenizer.json's", *map(repr, differing[:8]), flush=True)
        print(name, flush=True)
    golden = {"num_strings": len(strings), "strings": f"{digest(packed(strings)):016x}", "tokenizers": entries}
    out = pathlib.Path(__file__).with_name("real_tokenizers.json")
    out.write_text(json.dumps(golden, ensure_ascii=True, indent=0) + "\n")
    print(f"{len(strings)} strings, {len(entries)} tokenizers, {out.stat().st_size} bytes", flush=True)
    os._exit(0)  # without llama.cpp's own ending, which complains


if __name__ == "__main__":
    main()
