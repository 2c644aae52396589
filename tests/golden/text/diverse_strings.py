"""Strings that tokenizers disagree about: scripts, spaces, digits, quotes, emoji, control literals, random mixtures."""

import random

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
