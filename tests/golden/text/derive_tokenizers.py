"""The same tokenizers in their other file forms, for tests: GGUF's arrays as llama.cpp's converter makes them from a
tokenizer.json or a SentencePiece model, and a tokenizer.json as transformers' converter makes it. Needs nothing but
Python; `./dev setup tokenizers` runs it on what it has fetched.

    python derive_tokenizers.py DIRECTORY DEFAULT_MODEL.gguf

Reads in DIRECTORY: qwen3/, neox/, gemma3/, mistral1/, llama3_1/ (tokenizer.json each), mistral1.model, mistral3.model,
tekken.json, ggml-vocab-llama-spm.gguf, ggml-vocab-llama-bpe.gguf.
"""

import ast
import base64
import json
import pathlib
import re
import struct
import sys

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
MARK = "\u2581"  # a space in SentencePiece
GPT2_SPLIT = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
BYTES_ONLY = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


# --- GGUF -------------------------------------------------------------------------------------------------------------

def _string(text):
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def write_gguf(path, pairs):
    """A file without tensors. pairs: (key, value) with a str, bool, list of str, list of int or list of float."""
    out = [b"GGUF", struct.pack("<IQQ", 3, 0, len(pairs))]
    for key, value in pairs:
        out.append(_string(key))
        if isinstance(value, bool):
            out.append(struct.pack("<I?", 7, value))
        elif isinstance(value, str):
            out.append(struct.pack("<I", 8) + _string(value))
        elif isinstance(value[0], str):
            out.append(struct.pack("<IIQ", 9, 8, len(value)))
            out += [_string(text) for text in value]
        elif isinstance(value[0], int):
            out.append(struct.pack("<IIQ", 9, 5, len(value)) + struct.pack(f"<{len(value)}i", *value))
        else:
            out.append(struct.pack("<IIQ", 9, 6, len(value)) + struct.pack(f"<{len(value)}f", *value))
    path.write_bytes(b"".join(out))


def _arrays(model, pre, tokens, types, scores=None, merges=None, space_prefix=None):
    prefix = "tokenizer.ggml."
    pairs = [("general.architecture", "llama"), (prefix + "model", model), (prefix + "pre", pre),
             (prefix + "tokens", tokens), (prefix + "token_type", types)]
    if scores is not None:
        pairs.append((prefix + "scores", scores))
    if merges is not None:
        pairs.append((prefix + "merges", merges))
    if space_prefix is not None:
        pairs.append((prefix + "add_space_prefix", space_prefix))
    return pairs


def looks_special(literal):
    """llama.cpp's does_token_look_special: tokens that some models forgot to mark."""
    return (literal in ("<pad>", "<mask>", "<2mass>", "[@BOS@]") or literal.startswith(("<|", "<\uff5c")) and literal.endswith(("|>", "\uff5c>"))
            or literal.startswith("<unused") and literal.endswith(">"))


def _typed(tokenizer):
    """[(token, type)] of a tokenizer.json, in the order of ids."""
    added = {token["id"]: token for token in tokenizer["added_tokens"]}
    by_id = {number: token for token, number in tokenizer["model"]["vocab"].items()}
    by_id.update({number: token["content"] for number, token in added.items()})
    typed = []
    for number in range(max(by_id) + 1):
        token = by_id.get(number)
        if token is None:
            typed.append((f"[PAD{number}]", UNUSED))
        elif number not in added:
            typed.append((token, NORMAL))
        elif added[number]["special"] or looks_special(token):
            typed.append((token, CONTROL))
        else:
            typed.append((token.replace(MARK, " "), USER_DEFINED))
    return typed


def _merge_texts(tokenizer):
    # As the converter: a space inside a piece would end it.
    pairs = [merge if isinstance(merge, list) else merge.split(" ") for merge in tokenizer["model"]["merges"]]
    return [" ".join(side.replace(" ", "\u0120") for side in pair) for pair in pairs]


def byte_level_gguf(tokenizer, pre):
    typed = _typed(tokenizer)
    return _arrays("gpt2", pre, [token for token, _ in typed], [kind for _, kind in typed], merges=_merge_texts(tokenizer))


def gemma_gguf(tokenizer):
    """Scores are what SentencePiece's BPE gives: minus the number of the merge that makes a piece."""
    typed = _typed(tokenizer)
    scores = {}
    for number, merge in enumerate(tokenizer["model"]["merges"]):
        piece = "".join(merge) if isinstance(merge, list) else merge.replace(" ", "")
        scores.setdefault(piece, -float(number))
    tokens, types = [], []
    for token, kind in typed:
        is_byte = kind == NORMAL and len(token) == 6 and token.startswith("<0x")
        tokens.append(token)
        types.append(BYTE if is_byte else UNKNOWN if token == "<unk>" else kind)
    lowest = -float(len(tokenizer["model"]["merges"]))
    return _arrays("llama", "default", tokens, types, scores=[scores.get(token, lowest) if kind == NORMAL else -1000.0
                                                               for token, kind in zip(tokens, types)], space_prefix=False)


# --- SentencePiece ----------------------------------------------------------------------------------------------------

def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _fields(data):
    """(number, value) of a protobuf message; value: an int, or bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
        else:
            size, at = (8, at) if tag & 7 == 1 else (4, at) if tag & 7 == 5 else _varint(data, at)
            value, at = data[at:at + size], at + size
        yield tag >> 3, value


def read_sentence_piece(path):
    """[(piece, score, type)]; SentencePiece numbers its types as GGUF does."""
    pieces = []
    for number, value in _fields(path.read_bytes()):
        if number != 1:
            continue
        piece = dict(_fields(value))
        pieces.append((piece[1].decode("utf-8"), struct.unpack("<f", piece[2])[0] if 2 in piece else 0.0, piece.get(3, NORMAL)))
    return pieces


def sentence_piece_gguf(pieces):
    return _arrays("llama", "default", [piece for piece, _, _ in pieces], [kind for _, _, kind in pieces],
                   scores=[score for _, score, _ in pieces], space_prefix=True)


def _added(number, content, special):
    return {"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}


def sentence_piece_json(pieces):
    """In the form that Llama 2 and Mistral 7B are published in."""
    vocabulary = {piece: number for number, (piece, _, _) in enumerate(pieces)}
    merges = []
    for piece, score, kind in pieces:
        if kind != NORMAL:
            continue
        splits = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in vocabulary and piece[i:] in vocabulary]
        splits.sort(key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
        merges += [(score, pair) for pair in splits]
    merges.sort(key=lambda merge: -merge[0])
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [_added(number, piece, True) for number, (piece, _, kind) in enumerate(pieces) if kind in (UNKNOWN, CONTROL)],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": MARK},
                                                           {"type": "Replace", "pattern": {"String": " "}, "content": MARK}]},
        "pre_tokenizer": None, "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": MARK}, "content": " "}, {"type": "ByteFallback"},
                                                     {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "vocab": vocabulary, "merges": [list(pair) for _, pair in merges]},
    }


# --- Byte-level BPE ---------------------------------------------------------------------------------------------------

def _byte_alphabet():
    """GPT-2's characters for the 256 bytes."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {**{byte: chr(byte) for byte in visible}, **{byte: chr(256 + i) for i, byte in enumerate(hidden)}}


def _byte_level_json(vocabulary, merges, added, splits, ignore_merges):
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": splits}, "post_processor": None, "decoder": BYTES_ONLY,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": ignore_merges, "vocab": vocabulary, "merges": merges},
    }


def tekken_json(tekken):
    """Ranks of byte strings to merges, as transformers' TikTokenConverter does it."""
    alphabet = _byte_alphabet()
    config = tekken["config"]
    num_special = config["default_num_special_tokens"]
    ranks = {base64.b64decode(token["token_bytes"]): token["rank"]
             for token in tekken["vocab"][:config["default_vocab_size"] - num_special]}
    text = {piece: "".join(alphabet[byte] for byte in piece) for piece in ranks}
    merges = []
    for piece, rank in ranks.items():
        splits = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in ranks and piece[i:] in ranks]
        merges += [(rank, pair) for pair in sorted(splits, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))]
    merges.sort(key=lambda merge: merge[0])
    names = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]",
             "<pad>", "[PREFIX]", "[MIDDLE]", "[SUFFIX]"]
    names += [f"<SPECIAL_{i}>" for i in range(len(names), num_special)]
    vocabulary = {name: i for i, name in enumerate(names)}
    vocabulary.update({text[piece]: rank + num_special for piece, rank in ranks.items()})
    split = {"type": "Split", "pattern": {"Regex": config["pattern"]}, "behavior": "Isolated", "invert": False}
    return _byte_level_json(vocabulary, [[text[left], text[right]] for _, (left, right) in merges],
                            [_added(i, name, True) for i, name in enumerate(names)], [split, BYTES_ONLY], True)


def read_gguf_vocabulary(path, prefix="tokenizer.ggml."):
    """The metadata whose keys begin with `prefix`, as lists: tokens, token_type, scores, merges and so on."""
    data = path.read_bytes()
    at = 24
    found = {}
    formats = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def string():
        nonlocal at
        size = struct.unpack_from("<Q", data, at)[0]
        at += 8 + size
        return data[at - size:at].decode("utf-8")

    for _ in range(struct.unpack_from("<Q", data, 16)[0]):
        key = string()
        kind = struct.unpack_from("<I", data, at)[0]
        at += 4
        count = 1
        if kind == 9:
            kind, count = struct.unpack_from("<IQ", data, at)
            at += 12
        if kind == 8:
            values = [string() for _ in range(count)]
        else:
            values = struct.unpack_from(f"<{count}{formats[kind]}", data, at)
            at += struct.calcsize(f"<{count}{formats[kind]}")
        if key.startswith(prefix):
            found[key[len(prefix):]] = values
    return found


def smollm_json(vocabulary):
    tokens = vocabulary["tokens"]
    added = [_added(number, tokens[number], True) for number, kind in enumerate(vocabulary["token_type"]) if kind == CONTROL]
    return _byte_level_json({token: number for number, token in enumerate(tokens)}, [merge.split(" ") for merge in vocabulary["merges"]],
                            added, [{"type": "Digits", "individual_digits": True}, GPT2_SPLIT], False)


def falcon_json(vocabulary):
    tokens = vocabulary["tokens"]
    added = [_added(number, tokens[number], True) for number, kind in enumerate(vocabulary["token_type"]) if kind == CONTROL]
    split = {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated", "invert": False}
    return _byte_level_json({token: number for number, token in enumerate(tokens)}, [merge.split(" ") for merge in vocabulary["merges"]],
                            added, [{"type": "Punctuation", "behavior": "Contiguous"}, GPT2_SPLIT,
                                    {"type": "Digits", "individual_digits": False}, split], False)


# --- Chat templates ---------------------------------------------------------------------------------------------------

def templates_of_test(source):
    """{name: template} of the cases in llama.cpp's test-chat-template.cpp."""
    found = {}
    for name, literals in re.findall(r'/\* \.name= \*/ "([^"\n]*)",\n\s*(?://[^\n]*\n\s*)*/\* \.template_str= \*/ (.*?),\n\s*/\* \.expected', source, re.S):
        text = "".join(ast.literal_eval(literal) for literal in re.findall(r'"(?:[^"\\]|\\.)*"', literals))
        found[re.sub(r"[^A-Za-z0-9.]+", "-", name.split(" (NOTE")[0]).strip("-")] = text
    return found


def main():
    directory = pathlib.Path(sys.argv[1])

    def load(name):
        return json.loads((directory / name).read_text(encoding="utf-8"))

    def save(name, tokenizer):
        (directory / name).mkdir(exist_ok=True)
        (directory / name / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")

    write_gguf(directory / "qwen3.gguf", byte_level_gguf(load("qwen3/tokenizer.json"), "qwen2"))
    write_gguf(directory / "neox.gguf", byte_level_gguf(load("neox/tokenizer.json"), "olmo"))
    write_gguf(directory / "llama3_1-smaug.gguf", byte_level_gguf(load("llama3_1/tokenizer.json"), "smaug-bpe"))
    write_gguf(directory / "gemma3.gguf", gemma_gguf(load("gemma3/tokenizer.json")))
    for name in ("mistral1", "mistral3"):
        write_gguf(directory / f"{name}.gguf", sentence_piece_gguf(read_sentence_piece(directory / f"{name}.model")))
    save("mistral3", sentence_piece_json(read_sentence_piece(directory / "mistral3.model")))
    llama2 = read_gguf_vocabulary(directory / "ggml-vocab-llama-spm.gguf")
    save("llama2", sentence_piece_json(list(zip(llama2["tokens"], llama2["scores"], llama2["token_type"]))))
    tekken = tekken_json(load("tekken.json"))
    save("tekken", tekken)
    write_gguf(directory / "tekken.gguf", byte_level_gguf(tekken, "tekken"))
    save("falcon", falcon_json(read_gguf_vocabulary(directory / "ggml-vocab-falcon.gguf")))
    save("smollm2", smollm_json(read_gguf_vocabulary(pathlib.Path(sys.argv[2]))))

    templates = templates_of_test((directory / "test-chat-template.cpp").read_text(encoding="utf-8"))
    assert len(templates) > 30, "test-chat-template.cpp is not what it was"
    for name in ("llama3_1", "qwen3", "gemma3"):
        templates[name] = load(f"{name}/tokenizer_config.json")["chat_template"]
    templates["smollm2"] = read_gguf_vocabulary(pathlib.Path(sys.argv[2]), "tokenizer.")["chat_template"][0]
    for name, text in templates.items():
        (directory / "templates" / f"{name}.jinja").write_text(text, encoding="utf-8")

    # The published files show that deriving them is right.
    published = load("mistral1/tokenizer.json")["model"]
    derived = sentence_piece_json(read_sentence_piece(directory / "mistral1.model"))["model"]
    pairs = [merge if isinstance(merge, list) else merge.split(" ") for merge in published["merges"]]
    assert (derived["vocab"], derived["merges"]) == (published["vocab"], pairs), "Mistral's tokenizer.json is not what is derived"
    published = read_gguf_vocabulary(directory / "ggml-vocab-llama-bpe.gguf")
    derived = dict(byte_level_gguf(load("llama3_1/tokenizer.json"), "llama-bpe"))
    for key in ("tokens", "token_type", "merges"):
        assert list(published[key]) == derived["tokenizer.ggml." + key], f"llama.cpp's llama-bpe {key} are not what is derived"


if __name__ == "__main__":
    main()
