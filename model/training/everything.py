"""train, evaluate, export and, where matplotlib is, plot: one command, for prepared text.

Every part can be interrupted and run again.
"""

import argparse
import importlib.util
import json

from model.training import evaluate, export, plot, train


def main(words):
    parser = argparse.ArgumentParser(prog="python3 -m model.training all", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for part in (train, evaluate, export):
        part.add_arguments(parser)
    args = parser.parse_args(words)
    train.train_all(args)
    evaluate.evaluate_run(args)
    export.export_run(args)
    if importlib.util.find_spec("matplotlib"):
        results = args.run / "results.json"
        plot.plot(json.loads(results.read_text(encoding="utf-8")), results.with_suffix(".png"))
