"""Text files to tokens: a vocabulary, the tokens to train on, and the tokens that are held out.

Writes into --out:
  train.tokens, held_out.tokens  the tokens as 16-bit integers; the end token follows every file
  tokenizer.json                 as Hugging Face's tokenizers and perennial read it
  text.json                      sizes, and which ids are special

The vocabulary is bytes (--vocabulary=bytes; nothing but Python is needed), or byte pairs learned from the training text
(--vocabulary=4096; needs the `tokenizers` package). Two special tokens come after it: the end of a text, and the sink.
"""

import argparse
import array
import json
import lzma
import pathlib
import sys

END_TOKEN, SINK_TOKEN = "<|end|>", "<|sink|>"
MAX_VOCABULARY = 32767  # ids are stored in 16 bits
PIECE_CHARACTERS = 1 << 20


def byte_alphabet():
    """The printable character that stands for each byte in byte-level vocabularies (GPT-2's table)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    table.update({byte: chr(256 + i) for i, byte in enumerate(others)})
    return [table[byte] for byte in range(256)]


class ByteVocabulary:
    """A byte's token is its value."""

    size = 256

    def encode(self, text):
        return text.encode("utf-8")

    def tokenizer(self):
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                 "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                 "vocab": {character: byte for byte, character in enumerate(byte_alphabet())}, "merges": []}
        return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level, "model": model}


class PairVocabulary:
    """Byte pairs, learned from the pieces of the training text."""

    def __init__(self, size, pieces):
        try:
            from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        except ImportError:
            sys.exit("prepare: --vocabulary=NUMBER needs the Python package tokenizers (pip install tokenizers); "
                     "--vocabulary=bytes does not")
        self.learned = Tokenizer(models.BPE())
        self.learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self.learned.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                      show_progress=sys.stderr.isatty())
        self.learned.train_from_iterator(pieces, trainer)
        self.size = self.learned.get_vocab_size()

    def encode(self, text):
        return self.learned.encode(text).ids

    def tokenizer(self):
        return json.loads(self.learned.to_str())


def read_text(path):
    """The text of a UTF-8 file; files called *.xz are unpacked on the way."""
    try:
        opened = lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8")
        with opened as file:
            return file.read()
    except UnicodeDecodeError as error:
        sys.exit(f"prepare: {path} is not UTF-8: {error}")
    except (OSError, lzma.LZMAError) as error:
        sys.exit(f"prepare: {path}: {error}")


def pieces_of(text):
    """The text in pieces of about a million characters, cut before line breaks."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + PIECE_CHARACTERS)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end


def encode_texts(vocabulary, texts, end_token):
    tokens = array.array("h")
    for text in texts:
        for piece in pieces_of(text):
            tokens.extend(vocabulary.encode(piece))
        tokens.append(end_token)
    return tokens


def add_special_tokens(tokenizer, end_token, sink_token):
    for number, content in ((end_token, END_TOKEN), (sink_token, SINK_TOKEN)):
        tokenizer["added_tokens"].append({"id": number, "content": content, "single_word": False, "lstrip": False,
                                          "rstrip": False, "normalized": False, "special": True})
    return tokenizer


def prepare(out, texts, held_out_texts, vocabulary_choice, held_out_share):
    """`texts` are strings; without held-out texts the last tokens of `texts` are held out. Returns text.json's facts."""
    if vocabulary_choice == "bytes":
        vocabulary = ByteVocabulary()
    else:
        vocabulary = PairVocabulary(int(vocabulary_choice), (piece for text in texts for piece in pieces_of(text)))
    end_token, sink_token = vocabulary.size, vocabulary.size + 1
    train = encode_texts(vocabulary, texts, end_token)
    num_bytes = sum(len(text.encode("utf-8")) for text in texts)
    bytes_per_token = num_bytes / len(train)
    if held_out_texts:
        held_out = encode_texts(vocabulary, held_out_texts, end_token)
    else:
        first = len(train) - int(len(train) * held_out_share)
        train, held_out = train[:first], train[first:]
    facts = {"vocab_size": vocabulary.size + 2, "end_token_id": end_token, "sink_token_id": sink_token,
             "train_tokens": len(train), "held_out_tokens": len(held_out), "bytes_per_token": round(bytes_per_token, 3)}
    out.mkdir(parents=True, exist_ok=True)
    (out / "train.tokens").write_bytes(train.tobytes())
    (out / "held_out.tokens").write_bytes(held_out.tobytes())
    tokenizer = add_special_tokens(vocabulary.tokenizer(), end_token, sink_token)
    (out / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    (out / "text.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts


def vocabulary_argument(word):
    if word != "bytes" and not (word.isdigit() and 256 < int(word) <= MAX_VOCABULARY - 2):
        raise argparse.ArgumentTypeError(f"{word} is neither bytes nor a number from 257 to {MAX_VOCABULARY - 2}")
    return word


def share_argument(word):
    if not 0 < float(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is not between 0 and 1")
    return float(word)


def main(words):
    parser = argparse.ArgumentParser(prog="python3 -m model.training prepare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=pathlib.Path, nargs="+", required=True, help="UTF-8 files, or such files as .xz")
    parser.add_argument("--held_out", type=pathlib.Path, nargs="+", default=[], help="files to evaluate on")
    parser.add_argument("--held_out_share", type=share_argument, default=0.05,
                        help="without --held_out: the share of all tokens, at the end, to evaluate on (0.05)")
    parser.add_argument("--vocabulary", type=vocabulary_argument, default="4096", help="bytes, or a number (4096)")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder to write")
    args = parser.parse_args(words)
    facts = prepare(args.out, [read_text(path) for path in args.text], [read_text(path) for path in args.held_out],
                    args.vocabulary, args.held_out_share)
    print(f"{args.out}: {facts['train_tokens']:,} tokens to train on, {facts['held_out_tokens']:,} held out, "
          f"vocabulary of {facts['vocab_size']:,}, {facts['bytes_per_token']} bytes a token")
