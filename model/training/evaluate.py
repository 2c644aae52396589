"""Table 3 of StreamingLLM in miniature: perplexity of each model on long streams, by how the cache is split.

Held-out text runs through a cache of constant size, S sinks and a window: "0+256", "1+255", "2+254", "4+252". The
stream of the model with the sink token begins with it, so that it is the first sink; nothing is predicted from it, and
all models are asked for the same tokens. Writes results.json into the run's folder and prints the table.
"""

import argparse
import json
import math
import pathlib
import sys

import torch
from torch.nn import functional

from model.training.choices import SIZES, VARIANTS
from model.training.progress import Progress
from model.training.run_folder import RunFolder
from model.training.sink_window_attention import SinkWindowAttention
from model.training.token_stream import TextFolder, held_out_streams
from model.training.train import choose_device

SINKS = (0, 1, 2, 4)
CHUNK_TOKENS = 256


@torch.no_grad()
def stream_losses(network, attention, streams, sink_token_id=None, chunk_tokens=CHUNK_TOKENS, progress=None):
    """Nats of every token after the first: [streams, tokens - 1], float32. `streams` [streams, tokens], int64."""
    inputs, shift = streams[:, :-1], 1  # input i predicts token i + shift
    if sink_token_id is not None:
        inputs, shift = functional.pad(inputs, (1, 0), value=sink_token_id), 0
    losses = []
    for start in range(0, inputs.shape[1], chunk_tokens):
        chunk = inputs[:, start:start + chunk_tokens]
        targets = streams[:, start + shift:start + shift + chunk.shape[1]]
        losses.append(functional.cross_entropy(network(chunk, attention).mT, targets, reduction="none"))
        if progress:
            progress(start + chunk.shape[1])
    losses = torch.cat(losses, dim=1)
    return losses if sink_token_id is None else losses[:, 1:]  # the sink's own guess does not count


def summary(losses, cache_tokens):
    """What the table shows, and more, of losses [streams, tokens - 1]."""
    half = losses[:, losses.shape[1] // 2:]
    means = losses.mean(dim=1)
    error = float(means.std() / len(means) ** 0.5) if len(means) > 1 else None
    return {
        "perplexity": round(math.exp(losses.mean()), 4),
        "perplexity_second_half": round(math.exp(half.mean()), 4),
        "standard_error_nats": None if error is None else round(error, 5),
        # By place in the stream, in blocks as long as the cache: the first block has seen no eviction.
        "perplexity_of_blocks": [round(math.exp(block.mean()), 3) for block in losses.split(cache_tokens, dim=1)],
    }


def evaluate_variant(variant, network, streams, cache_tokens, sink_token_id):
    """Returns one summary per cache configuration, and the attention to the sinks in the last one, layer by layer."""
    configurations, attention = [], None
    for sinks in SINKS:
        attention = SinkWindowAttention(network.shape, variant.zero_sink, sinks, cache_tokens)
        configuration = f"{sinks}+{cache_tokens - sinks}"
        progress = Progress(f"{variant.title} {configuration}", streams.shape[1] - 1 + variant.sink_token)
        losses = stream_losses(network, attention, streams, sink_token_id if variant.sink_token else None,
                               progress=progress.show)
        configurations.append({"sink_tokens": sinks, "window_tokens": cache_tokens - sinks,
                               **summary(losses, cache_tokens)})
    names = ["zero sink"] * variant.zero_sink + [f"token {i}" for i in range(SINKS[-1])]
    if variant.sink_token:
        names[0] = "sink token"
    return configurations, {"of": names, "layers": attention.mean_sink_attention()}


def table_of(results):
    """The results as a text table like the paper's."""
    configurations = results["models"][0]["configurations"]
    heads = [f"{c['sink_tokens']}+{c['window_tokens']}" for c in configurations]
    lines = [f"{'cache':<16}" + "".join(f"{head:>12}" for head in heads)]
    for model in results["models"]:
        cells = "".join(f"{c['perplexity']:>12.2f}" for c in model["configurations"])
        lines.append(f"{model['title']:<16}" + cells)
    return "\n".join(lines)


def evaluate(run, text, device, streams_argument, stream_tokens, cache_tokens):
    settings = run.settings()
    shape = run.shape()
    cache_tokens = cache_tokens or shape.context_tokens // 2
    stream_tokens = stream_tokens or 16 * shape.context_tokens
    if not SINKS[-1] < cache_tokens <= shape.context_tokens:
        raise ValueError(f"--cache_tokens={cache_tokens}; it must be from {SINKS[-1] + 1} to {shape.context_tokens}, "
                         "the length of training samples")
    if shape.vocab_size != text.vocab_size:
        raise ValueError(f"{run.path} was trained with {shape.vocab_size} tokens to choose from; {text.path} has "
                         f"{text.vocab_size}")
    streams = held_out_streams(text.held_out_tokens(), streams_argument, stream_tokens).to(device)
    size = SIZES[settings["size"]]
    results = {
        "settings": settings, "context_tokens": shape.context_tokens, "cache_tokens": cache_tokens,
        "trained_tokens": settings["steps"] * size.batch_samples * size.context_tokens,
        "streams": streams_argument, "stream_tokens": stream_tokens,
        "bytes_per_token": text.facts["bytes_per_token"], "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu", "models": [],
    }
    for variant in VARIANTS:
        network, state = run.trained_network(variant, device)
        configurations, attention = evaluate_variant(variant, network, streams, cache_tokens, text.sink_token_id)
        results["models"].append({
            "name": variant.name, "title": variant.title, "parameters": network.num_parameters(),
            "configurations": configurations, "attention_to_sinks": attention, "training_losses": state["losses"]})
    return results


def add_arguments(parser):
    parser.add_argument("--cache_tokens", type=int, help="default: half of a training sample, as in the paper")
    parser.add_argument("--streams", type=int, default=16, help="how many (16)")
    parser.add_argument("--stream_tokens", type=int, help="length of each; default: 16 training samples")


def evaluate_run(args):
    run, text = RunFolder(args.run), TextFolder(args.text)
    results = evaluate(run, text, choose_device(args.device), args.streams, args.stream_tokens, args.cache_tokens)
    (run.path / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"Perplexity of {results['streams']} streams of {results['stream_tokens']:,} tokens; sinks + window:")
    print(table_of(results))
    print(f"{run.path / 'results.json'} has more", file=sys.stderr)


def main(words):
    parser = argparse.ArgumentParser(prog="python3 -m model.training evaluate", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=pathlib.Path, required=True, help="folder made by prepare")
    parser.add_argument("--run", type=pathlib.Path, required=True, help="folder of a finished run")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto (default)")
    add_arguments(parser)
    evaluate_run(parser.parse_args(words))
