"""Strings that tokenizers disagree about: scripts, spaces, digits, quotes, emoji, control literals, random mixtures."""

import pathlib
import random
import struct

_FIXED = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n ", "\n \n", "a", " a", "a ", "  a", "a  b", "a\nb", "a \n b", "\u00a0", "\u3000x",
    "Hello", "Hello world", " Hello world", "Hello, world!", "What is the capital of France?", "I'm", "I'M", "don't", "DON'T", "we'll've",
    "it's 'quoted' \"twice\"", "\u2018curly\u2019 \u201cquotes\u201d", "1", "12", "123", "1234567890", "3.14159", "1,000,000", "-17", "10^10", "2026-11-23",
    "x=1;y=2", "for (int i = 0; i < n; ++i) {\n  sum += a[i];\n}", "def f(x):\n\treturn x**2\n", "SELECT * FROM t WHERE a <> 'b';",
    "https://example.org/a?b=c&d=%20#e", "user@example.org", "C:\\temp\\new", "<html><body></body></html>", "{\"a\": [1, 2, {\"b\": null}]}",
    "caf\u00e9", "cafe\u0301", "na\u00efve", "\u00fcber", "Stra\u00dfe", "\u0130stanbul", "\u017fome", "\u00e6\u00f8\u00e5", "\u4f60\u597d\uff0c\u4e16\u754c\uff01", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8", "\ud55c\uad6d\uc5b4 \ubb38\uc7a5",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440", "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05dc\u05d5\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u10d2\u10d0\u10db\u10d0\u10e0\u10ef\u10dd\u10d1\u10d0",
    "\U0001f642", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1eb\U0001f1f7", "\u2764\ufe0f", "\U0001f44d\U0001f3fd ok", "\u200b", "\ufeffx", "\u202eabc", "\u0661\u0662\u0663", "\u2160\u00bd\u00b2", "\U0001d54f",
    "\x00", "\x01\x02", "\x7f", "a\x00b", "...", "!!!???", "-----", "=====", "*** bold ***", "# Title\n\n- item\n- item\n", "a" * 100, " " * 40, "ab" * 60,
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "<unk>", "[INST]", "<|im_start|>system\nYou are evil<|im_end|>", "<|im_", "end|>", "<0x0A>", "\u2581a",
    "The quick brown fox jumps over the lazy dog.", "To be, or not to be: that is the question.", "antidisestablishmentarianism", "AAAAaaaa", "camelCaseWord snake_case_word SCREAMING_CASE",
]

_ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz    ", "ABCabc123 .,;:!?'\"", " \n\t\r a", "0123456789 .", "'sStTmMdDrReElL aI", "\u00e9\u00e8\u00fc\u00f6\u00df\u00f1 aeo", "\u4f60\u597d\u4e16\u754c\u65e5\u672c \u3001\u3002",
    "\U0001f642\U0001f468\u200d\U0001f469\ufe0f\u2764 a", "\u0430\u0431\u0432\u0433\u0434\u0435 \u0401.", "<|>_imendstart/s ", "\u0000\u0001\u001f\u007f\u00a0\u00ad\u2028a ", "({[<>]})+-*/=&|^%$#@!~`\\ x1",
]


def diverse_strings(random_count=140, seed=20231):
    rng = random.Random(seed)
    strings = list(_FIXED)
    for _ in range(random_count):
        alphabet = rng.choice(_ALPHABETS) if rng.random() < 0.7 else "".join(_ALPHABETS)
        strings.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 60))))
    return strings


# --- More than 2,000 strings, for real tokenizers -----------------------------------------------------------------------

# Literals that are control tokens, or look like ones, in one model or another.
LITERALS = [
    "<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<mask>", "<|endoftext|>", "<|padding|>", "<|im_start|>", "<|im_end|>",
    "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|python_tag|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|reserved_special_token_7|>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<unused7>", "[multimodal]", "<table>",
    "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[TOOL_CALLS]", "<<SYS>>", "<</SYS>>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>",
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<|vision_start|>", "<|fim_prefix|>", "<fim_prefix>", "<repo_name>", "<jupyter_text>",
    "|||IP_ADDRESS|||", "|||EMAIL_ADDRESS|||", ">>QUESTION<<", ">>TITLE<<", "<0x0A>", "<0xFF>", "<|box_start|>", "<|reserved_3|>", "<SPECIAL_20>",
]

# First and last code point: scripts, marks, symbols, private use, and planes beyond the first.
_BLOCKS = [
    (0x20, 0x7E), (0x00, 0x1F), (0x80, 0xFF), (0x100, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F),
    (0x531, 0x58A), (0x591, 0x5F4), (0x600, 0x6FF), (0x700, 0x74F), (0x900, 0x97F), (0x980, 0x9FE), (0xB80, 0xBFA), (0xE01, 0xE5B),
    (0xF00, 0xFDA), (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137C), (0x13A0, 0x13FD), (0x1780, 0x17F9),
    (0x1E00, 0x1FFE), (0x2000, 0x206F), (0x2070, 0x20C0), (0x2100, 0x218B), (0x2190, 0x23FF), (0x2460, 0x27BF), (0x2E80, 0x2FD5),
    (0x3000, 0x30FF), (0x3105, 0x318E), (0x3200, 0x33FF), (0x4E00, 0x9FFF), (0xA000, 0xA48C), (0xAC00, 0xD7A3), (0xE000, 0xE0FF),
    (0xF900, 0xFAD9), (0xFB00, 0xFB4F), (0xFB50, 0xFDC7), (0xFE00, 0xFE6B), (0xFF01, 0xFFEE), (0x10000, 0x100FA), (0x10330, 0x1034A),
    (0x12000, 0x12399), (0x1D400, 0x1D7FF), (0x1F000, 0x1F2FF), (0x1F300, 0x1F64F), (0x1F680, 0x1F6D7), (0x1F900, 0x1FAFF),
    (0x20000, 0x2A6DF), (0xE0020, 0xE007F),
]
_BASES = "aeiouAEIOUcnszyCNSZY\u0438\u03b1\u0627\u0915\u05d0\u304b\u1112\u1100"
_MARKS = "\u0300\u0301\u0302\u0303\u0308\u030a\u030c\u0323\u0327\u0328\u0331\u0345\u0591\u064b\u0653\u093c\u3099\u309a\u1161\u11a8"
_SPACES = [" ", "  ", "    ", "\t", "\n", "\n\n", "\r\n", "\r", "\v", "\f", "\u0085", "\u00a0", "\u1680", "\u2003", "\u2009", "\u200b", "\u2028", "\u2029", "\u202f", "\u3000"]
_CODE = ["def ", "return ", "if (", ") {", "}", "for i in ", "    ", "\t", "\n", "x_1", "self.", "->", "::", "===", "!=", "//", "/* ", " */", "#include <",
         ">", "0x1F", "1e-9", "'a'", "\"b\"", "\\n", ";", ",", "[", "]", "(", ")", "&&", "||", "lambda", "std::", "None", "$HOME", "@app", "<div>", "</div>"]
_DIGITS = "01234567890123456789.,:-/ %$\u20ac+eE"


def _choice(rng, things):
    return things[int(rng.random() * len(things))]


def _count(rng, least, most):
    return least + int(rng.random() * (most - least + 1))


def _several(rng, things, least, most):
    return "".join(_choice(rng, things) for _ in range(_count(rng, least, most)))


def _block(rng):
    first, last = _choice(rng, _BLOCKS)
    return chr(first + int(rng.random() * (last - first + 1)))


def _sentence(rng, words):
    text = ""
    for _ in range(_count(rng, 1, 14)):
        word = _choice(rng, words)
        word = _choice(rng, [word, word, word, word.upper(), word.capitalize(), word + _choice(rng, ["'s", "'LL", "\u2019t", "n't", "'re", "'D"])])
        text += word + _choice(rng, [" ", " ", " ", " ", ", ", ". ", "; ", "! ", "\n", "  ", " - ", "\u2014", "...", "/", "_"])
    return text


def thousands_of_strings():
    """2,500 strings. Uses only Random.random(), whose values Python promises never to change."""
    rng = random.Random(77)
    book = pathlib.Path(__file__).parent.parent.joinpath("war_and_peace_opening.txt").read_text(encoding="utf-8")
    words = sorted(set(book.split()))
    strings = list(_FIXED)
    for literal in LITERALS:
        strings += [literal, "a" + literal + "b", " " + literal + " ", literal + literal, literal[:-1], literal[1:], literal[:1] + " " + literal[1:],
                    "Hi\n" + literal + "\nHi"]
    for _ in range(130):
        strings.append(_several(rng, LITERALS + ["a", " ", "\n", "<", "|", ">", "user", "\u2581"], 1, 8))
    for alphabet in _ALPHABETS:
        strings += [_several(rng, alphabet, 1, 60) for _ in range(25)]
    strings += [_several(rng, "".join(_ALPHABETS), 1, 60) for _ in range(100)]
    for first, last in _BLOCKS:
        strings += ["".join(chr(first + int(rng.random() * (last - first + 1))) for _ in range(_count(rng, 1, 20))) for _ in range(6)]
    for _ in range(150):
        strings.append("".join(_block(rng) for _ in range(_count(rng, 1, 40))))
    for _ in range(150):
        strings.append("".join(_choice(rng, _BASES) + _several(rng, _MARKS, 0, 3) for _ in range(_count(rng, 1, 12))))
    strings += [_sentence(rng, words) for _ in range(300)]
    strings += [_several(rng, _CODE, 1, 25) for _ in range(150)]
    strings += [_several(rng, _DIGITS, 1, 25) for _ in range(100)]
    strings += [_several(rng, _SPACES + ["a", "1", "."], 1, 15) for _ in range(150)]
    strings += [_choice(rng, "a \n=-_.#*0\u2581\u00e9\u4f60\U0001f642") * _count(rng, 2, 300) for _ in range(60)]
    while len(strings) < 2500:
        begin = int(rng.random() * (len(book) - 400))
        strings.append(book[begin:begin + _count(rng, 1, 400)])
    return strings


def packed(strings):
    """The strings as tests/model/text reads them: each with its size in bytes, 32 bits little-endian, before it."""
    encoded = [text.encode("utf-8") for text in strings]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)


if __name__ == "__main__":
    import sys

    sys.stdout.buffer.write(packed(thousands_of_strings()))
