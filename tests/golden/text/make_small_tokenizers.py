"""Small tokenizers and what independent software makes of diverse strings with them.

- byte_level.json: a tokenizer.json in the manner of Llama 3, trained here; ids by Python `tokenizers`.
- llama2_like.json: a tokenizer.json in the manner of Llama 2 (space marks, byte fallback); ids by Python `tokenizers`.
- sentence_piece.json: GGUF's arrays for a SentencePiece BPE model trained here; ids by `sentencepiece` itself.

    pip install tokenizers sentencepiece
    python make_small_tokenizers.py
"""

import io
import json
import pathlib

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from diverse_strings import diverse_strings

HERE = pathlib.Path(__file__).parent
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
CONTROLS = ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"]
# Tokens that are matched in text but not marked special, as some models have them.
UNMARKED = ["<|tool|>", "<\uff5cUser\uff5c>", "<think>", "</think>", "    "]


def corpus():
    words = ("the of and to in a is that it was for on are as with his they at be this have from or one had by word but not what all "
             "were we when your can said there use an each which she do how their if will up other about out many then them these so some "
             "her would make like him into time has look two more write go see number no way could people my than first water been call who "
             "oil its now find long down day did get come made may part hello world answer question assistant user system").split()
    lines = [" ".join(words[(i * 7 + j * j) % len(words)] for j in range(12)) + "." for i in range(400)]
    lines += [line.capitalize() + "\n" for line in lines] + ["for (int i = 0; i < 10; ++i) {}", "caf\u00e9 \u4f60\u597d \u041f\u0440\u0438\u0432\u0435\u0442 12345"] * 20
    return lines + [s for s in diverse_strings() if s and "\x00" not in s and "<" not in s]


def write(name, value):
    path = HERE / name
    path.write_text(json.dumps(value, ensure_ascii=True) + "\n")
    print(name, path.stat().st_size, "bytes")


def byte_level():
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.add_special_tokens(CONTROLS)
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in UNMARKED])
    return tokenizer


def llama2_like():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    words = []
    for line in corpus():
        words += line.replace(" ", " \u2581").split(" ")
    trained = Tokenizer(models.BPE())
    trained.train_from_iterator(words, trainers.BpeTrainer(
        vocab_size=500, limit_alphabet=90, initial_alphabet=["\u2581"], show_progress=False))
    model = json.loads(trained.to_str())["model"]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    tokens += [t for t, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]
    tokenizer.model = models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges, unk_token="<unk>",
                                 fuse_unk=True, byte_fallback=True)
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def tokenizer_json_golden(name, tokenizer, controls):
    json_text = tokenizer.to_str()
    plain = Tokenizer.from_str(json_text)
    texts = [s for s in diverse_strings() if not any(c in s for c in controls)]
    rendered = [controls[0] + "user\nHello" + controls[1] + " more " + controls[-1] + "\n", controls[1], "a" + controls[1] + "b"]
    write(name, {
        "tokenizer": json.loads(json_text),
        "texts": [{"text": s, "tokens": plain.encode(s, add_special_tokens=False).ids} for s in texts],
        "rendered": [{"text": s, "tokens": tokenizer.encode(s, add_special_tokens=False).ids} for s in rendered],
    })


def sentence_piece_golden():
    model = io.BytesIO()
    lines = [l.replace("\n", " ") for l in corpus() if "\r" not in l]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=700, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=True, split_digits=True,
        allow_whitespace_only_pieces=True, character_coverage=0.99, minloglevel=2)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    tokens, scores, types = [], [], []
    for i in range(processor.get_piece_size()):
        tokens.append(processor.id_to_piece(i))
        scores.append(processor.get_score(i))
        types.append(2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 6 if processor.is_byte(i) else 1)
    # A text with the mark itself, or with NUL, is ambiguous in SentencePiece's own interface.
    texts = [s for s in diverse_strings() if "\x00" not in s and s]
    texts += ["a" * n for n in range(1, 40)] + [" " * n for n in range(1, 30)] + ["the" * 20, "=" * 33, "aab" * 17]
    write("sentence_piece.json", {
        "tokens": tokens, "scores": scores, "types": types,
        "texts": [{"text": s, "tokens": processor.encode(s)} for s in texts],
    })


def main():
    tokenizer_json_golden("byte_level.json", byte_level(), CONTROLS + UNMARKED)
    tokenizer_json_golden("llama2_like.json", llama2_like(), ["<s>", "</s>", "<unk>"])
    sentence_piece_golden()


if __name__ == "__main__":
    main()
