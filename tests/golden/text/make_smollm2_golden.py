"""Tokens and rendered prompts of the default model, by software that shares no code with Perennial.

Tokens: llama.cpp (the `xllamacpp` package, its server's /tokenize). Renderings: transformers' Jinja2 environment on the
template in the GGUF file (the `gguf` package reads it). Writes smollm2_golden.json beside this script.

    pip install xllamacpp transformers jinja2 gguf
    python make_smollm2_golden.py PATH/SmolLM2-135M-Instruct.Q4_1.gguf
"""

import json
import os
import pathlib
import sys
import urllib.request

import gguf
import xllamacpp
from transformers.utils.chat_template_utils import render_jinja_template

from turns import SYSTEM, TURNS
from diverse_strings import diverse_strings

class LlamaCpp:
    def __init__(self, path):
        params = xllamacpp.CommonParams()
        params.model.path = path
        params.n_ctx = 256
        params.warmup = False
        self.server = xllamacpp.Server(params)

    def tokens(self, text, parse_special):
        body = json.dumps({"content": text, "add_special": False, "parse_special": parse_special}).encode()
        request = urllib.request.Request(
            self.server.listening_address + "/tokenize", body, {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=20))["tokens"]


def main():
    path = sys.argv[1]
    template = gguf.GGUFReader(path).fields["tokenizer.chat_template"].contents()
    llama = LlamaCpp(path)
    texts = [{"text": text, "tokens": llama.tokens(text, False)} for text in diverse_strings()]
    prompts = []
    for with_system in (False, True):
        for count in (1, 2, 5):
            messages = [SYSTEM] if with_system else []
            for question, answer in TURNS[:count]:
                messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            last_answer = messages.pop()
            rendered, _ = render_jinja_template([messages], chat_template=template, add_generation_prompt=True)
            closed, _ = render_jinja_template([messages + [last_answer]], chat_template=template)
            prompts.append({
                "messages": messages,
                "text": rendered[0],
                "tokens": llama.tokens(rendered[0], True),
                "last_answer": last_answer["content"],
                "closed_text": closed[0],
                "closed_tokens": llama.tokens(closed[0], True),
            })
    out = pathlib.Path(__file__).with_name("smollm2_golden.json")
    out.write_text(json.dumps({"texts": texts, "prompts": prompts}, ensure_ascii=True, indent=0) + "\n")
    print(f"{len(texts)} texts, {len(prompts)} prompts, {out.stat().st_size} bytes", flush=True)
    os._exit(0)  # the server's threads do not end by themselves


if __name__ == "__main__":
    main()
