#!/usr/bin/env python3
"""Draws what perennial-eval found: JSON files of one mode in, one PNG out.

    plot.py RESULT.json [MORE.json …] OUT.png

The files say their mode. Several files of a mode go into one picture: one with runs or caches adds its own to the
others'. Needs matplotlib (Debian: python3-matplotlib). Called by `./dev eval MODE … --plot=OUT.png`.
"""

import json
import math
import re
import sys

try:
    import matplotlib
except ImportError:
    sys.exit("plot.py: needs matplotlib (Debian: python3-matplotlib)")

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (after the choice of what draws)
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402

WHOLE = FuncFormatter(lambda value, _: f"{value:,.0f}")

# What the legends say, and the same colour for the same thing in every picture.
ATTENTIONS = {
    "dense": ("dense attention", "tab:gray"),
    "window": ("window alone", "tab:red"),
    "sinks": ("sinks and window", "tab:blue"),
    "recompute": ("window with re-computation", "tab:green"),
    "newlines": ("newlines as sinks", "tab:orange"),
}
WAYS = {
    "one_shot": "each on its own",
    "endless": "one conversation,\nsinks and window",
    "endless_window": "one conversation,\nwindow alone",
}


def rows_of(results, table):
    """The table's rows of all files, one after the other. KeyError where no file has it."""
    if not any(table in result for result in results):
        raise KeyError(table)
    return [row for result in results for row in result.get(table, [])]


def column(rows, name):
    """A column as floats; what was not measured is a gap."""
    return [math.nan if row.get(name) is None else float(row[name]) for row in rows]


def whole_blocks(rows):
    """Without a last block that is much shorter than the others."""
    lengths = [row["tokens"] - before for row, before in zip(rows, [0] + [row["tokens"] for row in rows])]
    return rows[:-1] if len(rows) > 1 and lengths[-1] < lengths[0] / 2 else rows


def caption(result):
    """What was measured, in small print."""
    command = result.get("command", "")
    flags = [word for word in command.split() if not word.startswith(("--save", "--json", "--text", "--device"))]
    flags = [word.replace("--model=", "").rsplit("/", 1)[-1] for word in flags[2:]]
    return "  ".join([result.get("runner", ""), *flags])


def log_scale(axes, values):
    """A logarithmic y axis around `values`, with plain numbers at 1, 2, 3, 5, 10, 20, … or, if they span much, 1, 10, …"""
    values = [value for value in values if value > 0]
    lowest, highest = min(values), max(values)
    axes.set_yscale("log")
    axes.set_ylim(lowest / 1.3, highest * 1.3)
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 3, 5) if highest < 100 * lowest else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="major", alpha=0.25)


def from_zero(axes):
    """A y axis from zero to a little above the highest point."""
    axes.autoscale(axis="y")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.15)


def finish(figure, results, path):
    figure.text(0.5, 0.005, caption(results[0]), ha="center", va="bottom", fontsize=6, color="0.4", wrap=True)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(path, dpi=120)


def plot_perplexity(results, path):
    figure, axes = plt.subplots(figsize=(8, 4.5))
    curve = rows_of(results, "curve")
    commands = " ".join(result.get("command", "") for result in results)
    every = re.search(r"--recompute_every=(\d+)", commands)
    shown = []
    for name in dict.fromkeys(row["attention"] for row in curve):
        rows = whole_blocks([row for row in curve if row["attention"] == name])
        shown += rows
        label, colour = ATTENTIONS.get(name, (name, None))
        # Newlines lie on the sinks' line: wide, and below it.
        style = {"lw": 4.0, "alpha": 0.5, "zorder": 1} if name == "newlines" else {"lw": 1.6}
        if name == "recompute" and every:  # other tokens than the others': no line to compare with
            label += f"\n(every {every[1]}th token only)"
            style = {"ls": "", "marker": ".", "alpha": 0.6, "zorder": 1}
        axes.plot(column(rows, "tokens"), column(rows, "perplexity"), label=label, color=colour, **style)
    log_scale(axes, column(shown, "perplexity"))
    axes.xaxis.set_major_formatter(WHOLE)
    axes.set_xlabel("tokens of the text")
    axes.set_ylabel("perplexity (by blocks, log scale)")
    axes.set_title("Perplexity along a text")
    axes.legend(fontsize=9)
    finish(figure, results, path)


def plot_caches(results, path, variable, label):
    """Perplexity, and the time of a token where it was taken, over one size of the cache."""
    rows = rows_of(results, "caches")
    names = [f"{row[variable]:,}" for row in rows]
    timed = any("milliseconds_per_token" in row for row in rows)
    figure, axes = plt.subplots(1, 2 if timed else 1, figsize=(9 if timed else 6, 4.5), squeeze=False)
    panels = [("perplexity_compared", "perplexity (caches full)", "tab:blue")]
    if timed:
        panels.append(("milliseconds_per_token", "milliseconds per decoded token", "tab:green"))
    for panel, (name, title, colour) in zip(axes[0], panels):
        values = column(rows, name)
        bars = panel.bar(names, values, color=colour, width=0.6)
        panel.bar_label(bars, [f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in values], fontsize=8)
        panel.set_xlabel(label)
        panel.set_ylabel(title)
        panel.margins(y=0.12)
    figure.suptitle(f"The same text with different {'numbers of sinks' if label == 'sinks' else 'cache sizes'}")
    finish(figure, results, path)


def plot_advise(results, path):
    rows = rows_of(results, "caches")
    recommended = {(result["recommended_sink_tokens"], result["recommended_cache_tokens"]) for result in results}
    sizes = sorted({row["cache_tokens"] for row in rows})
    timed = any("milliseconds_per_token" in row for row in rows)
    figure, axes = plt.subplots(1, 2 if timed else 1, figsize=(10 if timed else 6, 4.5), squeeze=False)
    for panel, key in zip(axes[0], ("perplexity_compared", "milliseconds_per_token")):
        for sinks in sorted({row["sink_tokens"] for row in rows}):
            chosen = sorted((row for row in rows if row["sink_tokens"] == sinks), key=lambda row: row["cache_tokens"])
            panel.plot(column(chosen, "cache_tokens"), column(chosen, key), "o-", ms=4,
                       label=f"{sinks} sink{'' if sinks == 1 else 's'}")
        for row in rows:
            if (row["sink_tokens"], row["cache_tokens"]) in recommended:
                panel.plot(row["cache_tokens"], row[key], "o", ms=14, mfc="none", mec="black", label="recommended")
        panel.set_xscale("log")
        panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xlabel("cache, in tokens")
        panel.grid(True, alpha=0.25)
    log_scale(axes[0][0], column(rows, "perplexity_compared"))
    axes[0][0].set_ylabel("perplexity (caches full, log scale)")
    axes[0][0].legend()
    if timed:
        from_zero(axes[0][1])
        axes[0][1].set_ylabel("milliseconds per decoded token")
    figure.suptitle("Sinks and cache sizes")
    finish(figure, results, path)


def plot_length(results, path):
    blocks, points = rows_of(results, "blocks"), rows_of(results, "points")
    memory = "device_bytes" if any("device_bytes" in row for row in blocks) else None
    figure, (quality, time, space) = plt.subplots(3, 1, figsize=(8, 9))
    quality.plot(column(blocks, "last_token"), column(blocks, "perplexity"), "o-", ms=3, color="tab:blue",
                 label="one endless stream")
    compared = [row for row in blocks if row.get("perplexity_from_empty") is not None]
    quality.plot(column(compared, "last_token"), column(compared, "perplexity_from_empty"), "x", ms=8, mew=2,
                 color="tab:orange", label="the same block from an empty cache")
    quality.set_ylabel("perplexity of a block")
    from_zero(quality)
    quality.legend(loc="lower left")
    time.plot(column(points, "token"), column(points, "milliseconds_per_token"), "o-", color="tab:green",
              label="median")
    time.plot(column(points, "token"), column(points, "milliseconds_ninetieth"), "_", ms=12, mew=2, color="tab:gray",
              label="nine of ten are faster")
    time.set_xscale("log")
    time.set_xticks(column(points, "token"))
    time.xaxis.set_minor_formatter(NullFormatter())
    from_zero(time)
    time.set_ylabel("milliseconds per decoded token")
    time.legend(loc="lower left")
    mebibyte = 1 << 20
    space.plot(column(blocks, "last_token"), [value / mebibyte for value in column(blocks, "resident_bytes")],
               color="tab:purple", label="resident memory")
    if memory:
        space.plot(column(blocks, "last_token"), [value / mebibyte for value in column(blocks, memory)],
                   color="tab:red", label="device memory")
    from_zero(space)
    space.set_ylabel("memory in MiB")
    space.legend(loc="lower left")
    quality.set_title("One endless stream: quality, speed, memory")
    for panel in (quality, time, space):
        panel.set_xlabel("tokens of the stream")
        panel.grid(True, alpha=0.25)
        panel.xaxis.set_major_formatter(WHOLE)
    finish(figure, results, path)


def plot_speed(results, path):
    rows = rows_of(results, "caches")
    names = [f"{row['cache_tokens']:,}" for row in rows]
    places = range(len(rows))
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for offset, name, key in ((-0.2, "recompute", "milliseconds_recompute"), (0.2, "sinks", "milliseconds_streaming")):
        label, colour = ATTENTIONS[name]
        bars = axes.bar([place + offset for place in places], column(rows, key), width=0.38, label=label, color=colour)
        axes.bar_label(bars, [f"{value:.3g}" if value < 1000 else f"{value:,.0f}" for value in column(rows, key)],
                       fontsize=8)
    for place, row in zip(places, rows):
        axes.annotate(f"× {row['speedup']:.3g}", (place, row["milliseconds_recompute"]), ha="center",
                      textcoords="offset points", xytext=(0, 14), fontsize=9, weight="bold")
    times = column(rows, "milliseconds_streaming") + column(rows, "milliseconds_recompute")
    log_scale(axes, times)
    axes.set_ylim(min(times) / 2, max(times) * 3)
    axes.set_xticks(list(places), names)
    axes.set_xlabel("cache, in tokens")
    axes.set_ylabel("milliseconds per decoded token (log scale)")
    axes.set_title("Sinks and window against re-computation")
    axes.legend(loc="upper left")
    finish(figure, results, path)


def plot_recall(results, path):
    rows = rows_of(results, "distances")
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.5))
    for panel, key, title in ((panels[0], "accuracy", "answers that are exactly right"),
                              (panels[1], "nats", "nats per answer token")):
        for notes, style in ((False, "o-"), (True, "s--")):
            chosen = [row for row in rows if row["with_notes"] == notes]
            if chosen:
                panel.plot(column(chosen, "lines_back"), column(chosen, key), style,
                           label="with a note" if notes else "without")
        outside = [row["lines_back"] for row in rows if not row["with_notes"] and row["in_window"] < 1]
        if outside:
            panel.axvspan(min(outside), max(outside), color="0.9", zorder=0, label="outside the window")
        panel.set_xlabel("lines back")
        panel.set_ylabel(title)
        panel.set_ylim(bottom=0)
        panel.grid(True, alpha=0.25)
    panels[1].legend()
    figure.suptitle("Recall by distance")
    finish(figure, results, path)


def plot_qa(results, path):
    rows = rows_of(results, "ways")
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.5))
    names = [WAYS.get(row["way"], row["way"]) for row in rows]
    for panel, key, title in ((panels[0], "accuracy_overflowed", "answers that are exactly right"),
                              (panels[1], "nats_overflowed", "nats per answer token")):
        bars = panel.bar(names, column(rows, key), color=["tab:gray", "tab:blue", "tab:red"][: len(rows)], width=0.6)
        panel.bar_label(bars, fmt="%.3g")
        panel.set_ylabel(title)
        panel.tick_params(axis="x", labelsize=8)
        panel.margins(y=0.12)
    figure.suptitle("Questions asked after the cache had overflowed")
    finish(figure, results, path)


PLOTS = {
    "perplexity": plot_perplexity,
    "sinks": lambda results, path: plot_caches(results, path, "sink_tokens", "sinks"),
    "cache-size": lambda results, path: plot_caches(results, path, "cache_tokens", "cache, in tokens"),
    "advise": plot_advise,
    "length": plot_length,
    "speed": plot_speed,
    "recall": plot_recall,
    "qa": plot_qa,
}


def read(path):
    """A file of one of the modes; ends the program where it is none."""
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"plot.py: {path}: {error}")
    if not isinstance(result, dict):
        sys.exit(f"plot.py: {path}: not a result of perennial-eval, which is a JSON object")
    if result.get("mode") not in list(PLOTS):
        sys.exit(f"plot.py: {path}: its mode is {result.get('mode')!r}; known are {', '.join(PLOTS)}")
    return result


def main(arguments):
    if len(arguments) < 2 or not arguments[-1].endswith(".png"):
        sys.exit("usage: plot.py RESULT.json [MORE.json …] OUT.png")
    *paths, out = arguments
    results = [read(path) for path in paths]
    modes = sorted({result["mode"] for result in results})
    if len(modes) != 1:
        sys.exit(f"plot.py: the files must be of one mode; they are of {', '.join(modes)}")
    try:
        PLOTS[modes[0]](results, out)
    except OSError as error:
        sys.exit(f"plot.py: {out}: {error.strerror}")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        sys.exit(f"plot.py: {', '.join(paths)}: not what the mode {modes[0]} writes: {error!r}")


if __name__ == "__main__":
    main(sys.argv[1:])
