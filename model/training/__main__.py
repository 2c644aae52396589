"""python3 -m model.training VERB [FLAGS]

  prepare   text files to tokens
  train     the three models
  evaluate  perplexity by cache configuration: results.json and a table
  export    the models as Hugging Face directories
  plot      results.json as a picture
  all       train, evaluate, export and plot

VERB --help says more. Runs from the top of the project; see model/training/README.md.
"""

import importlib
import sys

VERBS = {"prepare": "prepare", "train": "train", "evaluate": "evaluate", "export": "export", "plot": "plot",
         "all": "everything"}


def main():
    verb = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if verb in ("-h", "--help", "help"):
        print(__doc__)
        return
    if verb not in VERBS:
        sys.exit(f"unknown verb {verb}; there are: {', '.join(VERBS)}")
    try:
        module = importlib.import_module(f"model.training.{VERBS[verb]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        sys.exit(f"{verb} needs the Python package torch: pip install torch")
    try:
        module.main(sys.argv[2:])
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"{verb}: {error}")


if __name__ == "__main__":
    main()
