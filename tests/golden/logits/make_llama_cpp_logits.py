"""Log-probabilities of a published model by llama.cpp, on the same GGUF file.

    pip install xllamacpp gguf
    python make_llama_cpp_logits.py PATH/SmolLM2-135M-Instruct.Q4_1.gguf > llama_cpp.json
    python make_llama_cpp_logits.py PATH/gemma-3-270m-q4_k_m.gguf > llama_cpp_gemma3.json

Independent of Perennial down to the reading of the quantised blocks. llama.cpp's server says the log-probabilities of the
most likely tokens, before any sampling, at every token that it generates: one row per token of the greedy reply, the first after the
prompt alone. Keys and values are kept in float32, without flash attention; what remains of llama.cpp's own rounding is that it
quantises the activations to 8 bits before every product with a quantised matrix. Tokens are kept as ids, so that Perennial's
tokenizer has no part in the comparison.

To tell that rounding from a mistake, llama.cpp also runs a copy of the file whose weights are the same numbers in float32
(dequantised by gguf-py, so that no product is with a quantised matrix), over the prompts and the same replies.
"""

import importlib.metadata
import json
import os
import pathlib
import sys
import tempfile

import gguf
import numpy
from llama_cpp_server import LlamaCpp

TOP = 24
MAX_TOKENS = 1024
LONG_REPLY = 32
BOOK = pathlib.Path(__file__).parent.parent / "war_and_peace_opening.txt"
# Text of several kinds: prose, code, a list, another language, one token alone.
TEXTS = [
    ("The lighthouse keeper wrote down the weather every evening, for forty years, in a book that nobody", LONG_REPLY),
    ("def fibonacci(n):\n    if n < 2:\n        return n\n    return", 4),
    ("Monday, Tuesday, Wednesday, Thursday,", 4),
    ("La capitale de la France est", 4),
    ("12 + 30 = 42, 20 + 5 = 25, 7 + 8 =", 4),
    ("Once", 4),
    ("It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was "
     "the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness, it "
     "was the spring of hope, it was the winter of despair, we had everything before us, we had nothing before us, we were "
     "all going direct to Heaven, we were all going direct the other way", 4),
]
SMOLLM2_CHAT = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n"
    "Why is the sky blue?<|im_end|>\n<|im_start|>assistant\n", LONG_REPLY)


def prompts_for(architecture):
    """The texts, and what this model is for: the chat format, or more text than its local layers see (512 tokens)."""
    if architecture == "llama":
        return [TEXTS[0], SMOLLM2_CHAT, *TEXTS[1:]]
    return [("<bos>" + text, count) for text, count in [*TEXTS, (BOOK.read_text(encoding="utf-8")[:3200], LONG_REPLY)]]


def next_tokens(llama, tokens, count):
    """The greedy reply, and for each of its tokens the most likely ones as [id, log-probability]."""
    reply, rows = llama.next_tokens(tokens, count, TOP)
    assert all(row[0][0] == token for row, token in zip(rows, reply))
    return reply, [[[token, round(value, 4)] for token, value in row] for row in rows]


def architecture_of(reader):
    return reader.fields[gguf.Keys.General.ARCHITECTURE].contents()


def write_float32_copy(source, target):
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, architecture_of(reader))
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == gguf.Keys.General.ARCHITECTURE:
            continue
        value = 0 if name == gguf.Keys.General.FILE_TYPE else field.contents()
        sub_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, field.types[0], sub_type=sub_type)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    llama = LlamaCpp(sys.argv[1], MAX_TOKENS)
    prompts = []
    for text, count in prompts_for(architecture_of(gguf.GGUFReader(sys.argv[1]))):
        tokens = llama.tokens(text)
        reply, rows = next_tokens(llama, tokens, count)
        prompts.append({"text": text, "tokens": tokens, "reply": reply, "rows": rows})
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "float32.gguf")
        write_float32_copy(sys.argv[1], copy)
        llama = LlamaCpp(copy, MAX_TOKENS)
        for prompt in prompts:
            stream = prompt["tokens"] + prompt["reply"]
            prompt["float32_rows"] = [
                next_tokens(llama, stream[:end], 1)[1][0] for end in range(len(prompt["tokens"]), len(stream))
            ]
    print(json.dumps({
        "made_by": f"llama.cpp, as in xllamacpp {importlib.metadata.version('xllamacpp')}",
        "rows": "one per token of the reply: the most likely tokens there, as [id, log-probability]",
        "prompts": prompts,
    }, separators=(",", ":")), flush=True)
    os._exit(0)  # the server's threads do not end by themselves


if __name__ == "__main__":
    main()
