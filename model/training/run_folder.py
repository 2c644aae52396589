"""The folder of a run: its settings, and a checkpoint per variant. Everything is replaced whole, never half-written."""

import json
import os
import pathlib

import torch

from model.training.choices import SIZES
from model.training.network import Network


class RunFolder:
    def __init__(self, path):
        self.path = pathlib.Path(path)

    def settings(self):
        """What the run was begun with (begin()); None if the folder has no run."""
        path = self.path / "run.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def begin(self, settings):
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.path / "run.json", lambda path: path.write_text(json.dumps(settings, indent=2) + "\n"))

    def shape(self):
        settings = self.settings()
        if settings is None:
            raise FileNotFoundError(f"{self.path} has no run.json; make it with: python3 -m model.training train")
        return SIZES[settings["size"]].shape(settings["vocab_size"])

    def save(self, variant, state):
        """`state`: step, losses, network, optimizer."""
        folder = self.path / variant.name
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "checkpoint.pt", lambda path: torch.save(state, path))

    def load(self, variant, device="cpu"):
        """What was saved last; None if nothing was."""
        path = self.path / variant.name / "checkpoint.pt"
        return torch.load(path, map_location=device, weights_only=True) if path.exists() else None

    def trained_network(self, variant, device="cpu"):
        """(the network after its last step, its checkpoint). FileNotFoundError or ValueError if not trained yet."""
        shape, state = self.shape(), self.load(variant, device)
        steps = self.settings()["steps"]
        if state is None or state["step"] < steps:
            done = 0 if state is None else state["step"]
            raise ValueError(f"{self.path / variant.name}: trained for {done} of {steps} steps; go on with: "
                             "python3 -m model.training train")
        network = Network(shape).to(device)
        network.load_state_dict(state["network"])
        return network.eval(), state


def write_whole(path, write):
    beside = path.with_name(path.name + ".new")
    write(beside)
    os.replace(beside, path)
