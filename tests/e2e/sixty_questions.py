#!/usr/bin/env python3
"""A conversation of sixty short questions, several times longer than the cache.

Starts perenniald, asks the questions of sixty_questions.txt one after the other in one session (the most likely token
every time, under a repetition penalty, at most 60 tokens a reply) through `perennial ask`, and judges the replies:

  * in replies 41-60 no stretch of 16 tokens occurs twice within a reply,
  * at least 95 % of their words are in the dictionary (Debian's wamerican, or --dictionary),
  * the last question, "What is the capital of France?", is answered with Paris,
  * the server's resident memory at turn 60 is within 2 MiB of turn 20.

Prints one JSON object on standard output, the conversation on standard error. Exit code 0 if all four hold, 1 if not.
With --sink_tokens=0 the same script shows what becomes of a model whose first tokens are evicted. Nothing but these
sinks is pinned, so that the two can be compared.

Needs only Python's standard library. Example:
  tests/e2e/sixty_questions.py --sink_tokens=4 --cache_tokens=512
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REPLY_TOKENS = 60
STRETCH_PIECES = 12  # words and punctuation marks: 16 tokens of English are rarely fewer, so this is the stricter test
JUDGED_FROM = 40  # replies 41 … 60


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of the programs")
    parser.add_argument("--model", default=ROOT / ".deps/models/SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--cache_tokens", type=int, default=512)
    parser.add_argument("--sink_tokens", type=int, default=4)
    parser.add_argument("--eviction", default="token_wise", help="token_wise (the paper's) or turn_wise")
    parser.add_argument("--repetition_penalty", type=float, default=1.1,
                        help="1: none; a small model then imitates its own repetitions, with sinks too")
    parser.add_argument("--dtype", default="float32", help="float32 gives the same replies on every machine")
    parser.add_argument("--dictionary", type=pathlib.Path, default=pathlib.Path("/usr/share/dict/words"))
    parser.add_argument("--start_seconds", type=float, default=120, help="how long the server may take to start")
    return parser.parse_args()


class Server:
    """A perenniald of our own on a free loopback port, ended with the block."""

    def __init__(self, args):
        self.args = args

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        port_file = pathlib.Path(self.folder.name) / "port"
        self.process = subprocess.Popen(
            [self.args.bin / "perenniald", f"--model={self.args.model}", "--listen=127.0.0.1:0",
             f"--port_file={port_file}", f"--cache_tokens={self.args.cache_tokens}",
             f"--sink_tokens={self.args.sink_tokens}", "--pinned_head=sinks_only",
             f"--eviction={self.args.eviction}", f"--dtype={self.args.dtype}", "--cache_memory=1GiB"])
        give_up = time.monotonic() + self.args.start_seconds
        while not port_file.exists():
            if self.process.poll() is not None or time.monotonic() > give_up:
                sys.exit("sixty_questions: the server did not start")
            time.sleep(0.05)
        self.address = f"127.0.0.1:{port_file.read_text().strip()}"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.folder.cleanup()

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def client(self, *words):
        command = [self.args.bin / "perennial", f"--server={self.address}", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def repeated_stretch(pieces):
    """True if STRETCH_PIECES pieces in a row occur twice in `pieces`, overlapping or not."""
    stretches = [tuple(pieces[i:i + STRETCH_PIECES]) for i in range(len(pieces) - STRETCH_PIECES + 1)]
    return len(stretches) != len(set(stretches))


def dictionary_share(text, dictionary):
    """Share of the words of `text` that the dictionary has, plain forms of regular inflections counted too."""
    words = [word.strip("'").lower() for word in re.findall(r"[A-Za-z]+(?:'[A-Za-z]+)?", text)]
    known = sum(word in dictionary or word.removesuffix("'s") in dictionary for word in words)
    return known / max(1, len(words))


def main():
    args = arguments()
    dictionary = {word.strip().lower() for word in args.dictionary.read_text(encoding="utf-8").splitlines()}
    questions = (HERE / "sixty_questions.txt").read_text(encoding="utf-8").splitlines()
    replies, resident = [], {}
    with Server(args) as server:
        session = server.client("sessions", "create").strip()
        for turn, question in enumerate(questions, start=1):
            reply = json.loads(server.client("ask", question, f"--session={session}", f"--max_tokens={REPLY_TOKENS}",
                                             "--temperature=0",
                                             f"--repetition_penalty={args.repetition_penalty}", "--json"))
            replies.append(reply["text"])
            resident[turn] = server.resident_kib()
            print(f"[{turn:2}] {question}\n     {reply['text'].strip()!r}", file=sys.stderr, flush=True)
        print(server.client("sessions"), file=sys.stderr)
        memory = json.loads(server.client("sessions", "show", session, "--json"))

    judged = replies[JUDGED_FROM:]
    loops = [JUDGED_FROM + i + 1 for i, text in enumerate(judged) if repeated_stretch(re.findall(r"\w+|[^\w\s]", text))]
    share = dictionary_share(" ".join(judged), dictionary)
    growth = resident[60] - resident[20]
    checks = {
        "no_repeated_stretch": not loops,
        "dictionary_words": share >= 0.95,
        "paris": "Paris" in replies[-1],
        "constant_memory": abs(growth) <= 2048,
    }
    print(json.dumps({"cache_tokens": args.cache_tokens, "sink_tokens": args.sink_tokens, "checks": checks,
                      "turns_with_repeated_stretch": loops, "dictionary_share": round(share, 4),
                      "resident_growth_kib_turn_20_to_60": growth, "session": memory, "last_reply": replies[-1]},
                     indent=2))
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
