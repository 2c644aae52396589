"""Pre-trains the three variants, one after the other, on the same samples in the same order from the same weights.

Can be interrupted (Ctrl-C, or worse) and run again: it goes on where it was, and gives what it would have given.
"""

import argparse
import contextlib
import math
import pathlib
import sys
import time

import torch
from torch.nn import functional

from model.training.choices import SIZES, VARIANTS
from model.training.network import CausalAttention, Network
from model.training.progress import Progress
from model.training.run_folder import RunFolder
from model.training.token_stream import Samples, TextFolder

WEIGHT_DECAY, BETAS, MAX_GRADIENT = 0.1, (0.9, 0.95), 1.0
LAST_RATE = 0.1  # of the highest
LOSS_POINTS = 200  # of the curve that is kept
CHECKPOINT_SECONDS = 60


class Trainer:
    """One variant in training."""

    def __init__(self, variant, size, shape, steps, device, dtype, sink_token_id, seed):
        self.variant, self.size, self.steps, self.device, self.dtype = variant, size, steps, device, dtype
        self.sink_token_id = sink_token_id
        self.network = Network(shape).initialize(seed).to(device)
        self.attention = CausalAttention(shape, variant.zero_sink)
        matrices = [weight for weight in self.network.parameters() if weight.dim() > 1]
        others = [weight for weight in self.network.parameters() if weight.dim() < 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
            betas=BETAS, fused=device.type == "cuda")
        self.step, self.losses = 0, []  # losses: [step, mean loss since the point before]

    def state(self):
        return {"step": self.step, "losses": self.losses, "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict()}

    def restore(self, state):
        self.step, self.losses = state["step"], state["losses"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])

    def learning_rate(self):
        """Rises for `warmup_steps`, then falls along a cosine to a tenth."""
        warmup = min(self.size.warmup_steps, self.steps // 10 + 1)
        if self.step < warmup:
            return self.size.learning_rate * (self.step + 1) / warmup
        part = (self.step - warmup) / max(1, self.steps - warmup)
        return self.size.learning_rate * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * part)))

    def loss_of(self, samples):
        """Mean loss of samples [batch, tokens + 1]. The sink token comes in front and predicts nothing."""
        inputs, targets = samples[:, :-1], samples[:, 1:]
        if self.variant.sink_token:
            inputs = functional.pad(inputs, (1, 0), value=self.sink_token_id)
        with self.precision():
            logits = self.network(inputs, self.attention)[:, -targets.shape[1]:]
            return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))

    def precision(self):
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def advance(self, samples):
        """One step. Returns its loss, on the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        loss = self.loss_of(samples)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return loss.detach()


def train(trainer, samples, save):
    """Runs the steps that are left. `save` is called with the trainer's state from time to time, and at the end."""
    progress = Progress(trainer.variant.title, trainer.steps, done=trainer.step)
    every = max(1, trainer.steps // LOSS_POINTS)
    saved_at, total, count = time.monotonic(), 0.0, 0
    try:
        while trainer.step < trainer.steps:
            total = total + trainer.advance(samples.at(trainer.step))
            count += 1
            if trainer.step % every and trainer.step < trainer.steps:
                continue
            loss = float(total) / count  # waits for the device
            if not math.isfinite(loss):
                sys.exit(f"train: {trainer.variant.name}: the loss is {loss} at step {trainer.step}")
            trainer.losses.append([trainer.step, round(loss, 5)])
            total, count = 0.0, 0
            progress.show(trainer.step, f"loss {loss:.3f}")
            if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                save(trainer.state())
                saved_at = time.monotonic()
    except KeyboardInterrupt:
        save(trainer.state())
        sys.exit(f"\ntrain: interrupted after step {trainer.step}; the same command goes on from there")
    save(trainer.state())


def seconds_per_step(trainer, samples):
    """Measured, on a trainer that is thrown away."""
    warm, timed = (10, 20) if trainer.device.type == "cuda" else (1, 3)
    for step in range(warm):
        float(trainer.advance(samples.at(step)))
    start = time.monotonic()
    for step in range(timed):
        loss = trainer.advance(samples.at(step))
    float(loss)
    return (time.monotonic() - start) / timed


def choose_device(word):
    if word == "auto":
        word = "cuda" if torch.cuda.is_available() else "cpu"
    if word.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("train: --device=cuda, but torch finds no CUDA device")
    return torch.device(word)


def choose_settings(args, text, make_trainer, make_samples):
    """The settings of a new run. With --seconds, as many steps as all variants together have time for."""
    size = SIZES[args.size]
    settings = {"size": args.size, "seed": args.seed, "vocab_size": text.vocab_size,
                "train_tokens": text.facts["train_tokens"], "dtype": args.dtype}
    settings["steps"] = args.steps or size.steps
    if args.seconds:
        each = [seconds_per_step(make_trainer(variant, 1000), make_samples()) for variant in VARIANTS]
        settings["steps"] = max(1, int(args.seconds / sum(each)))
        print("train: seconds a step:", ", ".join(f"{v.name} {s:.4f}" for v, s in zip(VARIANTS, each)),
              f"-> {settings['steps']} steps each", file=sys.stderr)
    return settings


def check_settings(old, args, text):
    """A run goes on as it was begun."""
    given = {"size": args.size, "seed": args.seed, "vocab_size": text.vocab_size,
             "train_tokens": text.facts["train_tokens"], "dtype": args.dtype}
    if args.steps:
        given["steps"] = args.steps
    for key, value in given.items():
        if old[key] != value:
            sys.exit(f"train: {args.run} holds a run whose {key} is {old[key]}, not {value}; choose another --run")


def train_all(args):
    device = choose_device(args.device)
    args.dtype = ("bfloat16" if device.type == "cuda" else "float32") if args.dtype == "auto" else args.dtype
    if args.threads:
        torch.set_num_threads(args.threads)
    text, size, run = TextFolder(args.text), SIZES[args.size], RunFolder(args.run)
    tokens = text.train_tokens().to(device)
    shape = size.shape(text.vocab_size)

    def make_trainer(variant, steps):
        return Trainer(variant, size, shape, steps, device, getattr(torch, args.dtype), text.sink_token_id, args.seed)

    def make_samples():
        return Samples(tokens, size.context_tokens, size.batch_samples, args.seed)

    settings = run.settings()
    if settings is None:
        settings = choose_settings(args, text, make_trainer, make_samples)
        run.begin(settings)
    check_settings(settings, args, text)
    steps = settings["steps"]
    print(f"train: {Network(shape).num_parameters():,} parameters, {steps} steps of {size.batch_samples} samples of "
          f"{size.context_tokens} tokens: {steps * size.batch_samples * size.context_tokens:,} tokens for each model",
          file=sys.stderr)
    for variant in VARIANTS:
        trainer, saved = make_trainer(variant, steps), run.load(variant, device)
        if saved is not None:
            trainer.restore(saved)
        if trainer.step < steps:
            train(trainer, make_samples(), lambda state, variant=variant: run.save(variant, state))


def add_arguments(parser):
    parser.add_argument("--text", type=pathlib.Path, required=True, help="folder made by prepare")
    parser.add_argument("--run", type=pathlib.Path, required=True, help="folder of the run, to begin or to go on with")
    parser.add_argument("--size", choices=SIZES, default="small",
                        help="small (default): about an hour on two processor cores; medium: minutes on a large GPU")
    parser.add_argument("--steps", type=int, help="of each model; default: the size's")
    parser.add_argument("--seconds", type=float,
                        help="instead of --steps: as many steps, the same for each, as all three have time for")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto (default)")
    parser.add_argument("--dtype", choices=["auto", "float32", "bfloat16"], default="auto",
                        help="of the products; auto: bfloat16 on CUDA, float32 on the CPU")
    parser.add_argument("--threads", type=int, help="of the CPU; default: torch's own choice")
    parser.add_argument("--seed", type=int, default=1)


def main(words):
    parser = argparse.ArgumentParser(prog="python3 -m model.training train", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    train_all(parser.parse_args(words))
