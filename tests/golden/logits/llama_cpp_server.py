"""llama.cpp, as in the xllamacpp package, for the scripts that make golden values: one server for one file."""

import json
import urllib.request

import xllamacpp


class LlamaCpp:
    """Keys and values in float32, without flash attention, on one thread."""

    def __init__(self, path, max_tokens):
        params = xllamacpp.CommonParams()
        params.model.path = path
        params.n_ctx = max_tokens
        params.n_parallel = 1
        params.warmup = False
        params.cpuparams.n_threads = 1
        params.cpuparams_batch.n_threads = 1
        params.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
        params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.server = xllamacpp.Server(params)

    def ask(self, path, body):
        request = urllib.request.Request(
            self.server.listening_address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=300))

    def tokens(self, text):
        return self.ask("/tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"]

    def next_tokens(self, tokens, count, top):
        """The greedy reply, and for each of its tokens the `top` most likely ones as [id, log-probability]."""
        reply = self.ask("/completion", {
            "prompt": tokens, "n_predict": count, "temperature": 0, "n_probs": top, "post_sampling_probs": False,
            "cache_prompt": False, "return_tokens": True})
        rows = [
            [[entry["id"], entry["logprob"]] for entry in step["top_logprobs"]]
            for step in reply["completion_probabilities"]
        ]
        assert len(rows) == len(reply["tokens"]) and all(len(row) == top for row in rows)
        return reply["tokens"], rows
