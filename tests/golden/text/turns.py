"""The turns that chat templates are tried with."""

SYSTEM = {"role": "system", "content": "You answer in one short sentence.\nBe polite."}
TURNS = [
    ("Hello! Who are you?", "I am an assistant."),
    ("What is 12 + 30?", "12 + 30 = 42."),
    ("Write two lines.", "First line.\nSecond line."),
    ("\u4f60\u597d \U0001f642", "\u4f60\u597d\uff01"),
    ("def f(x):\n    return x * 2\n\nWhat does f(3) give?", "It gives 6."),
]
