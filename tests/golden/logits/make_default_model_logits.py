"""Logits of the default model by transformers, on the same GGUF file, dequantised, in float32.

Usage: make_default_model_logits.py MODEL.gguf > default_model.json

Independent of Perennial: transformers reads and dequantises the file itself (gguf-py) and runs LlamaForCausalLM. Kept:
for a few positions of a 64-token text the highest logits, and every 997th logit of the row; and a greedy continuation.
"""

import json
import os
import sys

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

TEXT = (
    "The lighthouse keeper wrote down the weather every evening, for forty years, in a book that nobody was meant to "
    "read. On the last page stood only this: fog, no wind, the sea quite still. What he had heard out there that night "
    "he told no one, and the young woman who found the book one day"
)
POSITIONS = [0, 1, 5, 20, 40, 63]
STRIDE = 997


def main():
    path = os.path.abspath(sys.argv[1])
    folder, file = os.path.split(path)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = LlamaForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32, attn_implementation="eager")
    model.eval()
    tokens = tokenizer(TEXT, add_special_tokens=False)["input_ids"][:64]
    assert len(tokens) == 64, len(tokens)
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0]
        rows = []
        for position in POSITIONS:
            row = logits[position]
            top = torch.topk(row, 8)
            rows.append(
                {
                    "position": position,
                    "top_tokens": top.indices.tolist(),
                    "top_logits": [round(v, 5) for v in top.values.tolist()],
                    "strided_logits": [round(v, 5) for v in row[::STRIDE].tolist()],
                }
            )
        stream = list(tokens)
        greedy = []
        margins = []
        for _ in range(32):
            row = model(torch.tensor([stream])).logits[0, -1]
            best = torch.topk(row, 2)
            greedy.append(best.indices[0].item())
            margins.append(round((best.values[0] - best.values[1]).item(), 5))
            stream.append(greedy[-1])
    json.dump(
        {
            "made_by": "transformers, float32, from the GGUF file",
            "tokens": tokens,
            "stride": STRIDE,
            "rows": rows,
            "greedy": greedy,
            "smallest_greedy_margin": min(margins),
        },
        sys.stdout,
    )
    print()


if __name__ == "__main__":
    main()
