"""results.json as a picture: the training's losses, the table, where attention goes. Needs matplotlib, not torch."""

import argparse
import json
import pathlib

COLOURS = {"vanilla": "#4c72b0", "zero_sink": "#dd8452", "learnable_sink": "#55a868"}


def scale(axes, values, top):
    """Logarithmic where perplexities are far apart, so that the small ones can still be told apart."""
    if max(values) > 4 * min(values):
        axes.set_yscale("log")
        axes.set_ylim(min(values) * 0.7, max(values) * 2)
    else:
        axes.set_ylim(0, max(values) * top)


def plot_losses(axes, results):
    for model in results["models"]:
        steps, losses = zip(*model["training_losses"])
        axes.plot(steps, losses, color=COLOURS[model["name"]], label=model["title"], linewidth=1)
    axes.set(title="Training", xlabel="step", ylabel="loss (nats a token)")
    axes.legend()


def plot_table(axes, results):
    width = 0.8 / len(results["models"])
    for number, model in enumerate(results["models"]):
        values = [configuration["perplexity"] for configuration in model["configurations"]]
        places = [column + (number - 1) * width for column in range(len(values))]
        axes.bar(places, values, width, color=COLOURS[model["name"]], label=model["title"])
        for place, value in zip(places, values):
            axes.text(place, value * 1.02, f"{value:.4g}", ha="center", va="bottom", fontsize=7, rotation=90)
    configurations = results["models"][0]["configurations"]
    axes.set_xticks(range(len(configurations)), [f"{c['sink_tokens']}+{c['window_tokens']}" for c in configurations])
    values = [c["perplexity"] for model in results["models"] for c in model["configurations"]]
    scale(axes, values, top=1.5)
    axes.set(title=f"Streams of {results['stream_tokens']:,} tokens", xlabel="cache: sinks + window",
             ylabel="perplexity")
    axes.legend()


def plot_blocks(axes, results):
    """Along the stream, without sinks and with one: where a model breaks."""
    shown = []
    for model in results["models"]:
        for configuration, style in ((model["configurations"][0], "-"), (model["configurations"][1], "--")):
            blocks = configuration["perplexity_of_blocks"]
            places = [(block + 0.5) * results["cache_tokens"] for block in range(len(blocks))]
            label = f"{model['title']}, {configuration['sink_tokens']}+{configuration['window_tokens']}"
            axes.plot(places, blocks, style, color=COLOURS[model["name"]], label=label, linewidth=1)
            shown += blocks
    scale(axes, shown, top=1.1)
    axes.set(title="Along the stream", xlabel="place in the stream (tokens)", ylabel="perplexity")
    axes.legend(fontsize=7)


def plot_attention(axes, results):
    sinks = results["models"][0]["configurations"][-1]["sink_tokens"]
    for model in results["models"]:
        names, layers = model["attention_to_sinks"]["of"], model["attention_to_sinks"]["layers"]
        for number, name in enumerate(names[:2]):
            shares = [layer[number] for layer in layers]
            axes.plot(range(len(shares)), shares, "o-" if number == 0 else "x:", markersize=4,
                      color=COLOURS[model["name"]], label=f"{model['title']}: {name}")
    axes.set(title=f"Attention to the first places, cache with {sinks} sinks", xlabel="layer",
             ylabel="mean share of a full cache's attention")
    axes.set_ylim(bottom=0)
    axes.set_xticks(range(len(results["models"][0]["attention_to_sinks"]["layers"])))
    axes.legend(fontsize=7)


def plot(results, path):
    try:
        import matplotlib
    except ImportError as error:
        raise SystemExit("plot needs the Python package matplotlib: pip install matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(12, 9), layout="constrained")
    for draw, place in zip((plot_losses, plot_table, plot_blocks, plot_attention), axes.flat):
        draw(place, results)
        place.grid(alpha=0.3)
    settings = results["settings"]
    figure.suptitle(f"Trained sinks: size {settings['size']}, {results['models'][0]['parameters']:,} parameters, "
                    f"{results['trained_tokens']:,} tokens, samples of {results['context_tokens']}")
    figure.savefig(path, dpi=110)


def main(words):
    parser = argparse.ArgumentParser(prog="python3 -m model.training plot", description=__doc__)
    parser.add_argument("--results", type=pathlib.Path, required=True, help="results.json")
    parser.add_argument("--png", type=pathlib.Path, help="the picture; default: results.png beside it")
    args = parser.parse_args(words)
    png = args.png or args.results.with_suffix(".png")
    try:
        results = json.loads(args.results.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"{args.results}: {error}") from error
    try:
        plot(results, png)
    except OSError as error:
        raise SystemExit(f"{png}: {error.strerror}") from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise SystemExit(f"{args.results}: not what model.training writes: {error!r}") from error
    print(png)
