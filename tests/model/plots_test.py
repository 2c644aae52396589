"""Pictures: every result in docs/results/ can be drawn, and a file that cannot ends with one line that says why."""

import contextlib
import importlib.util
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    from matplotlib import image, pyplot
except ImportError:
    # Debian's matplotlib is for Debian's Python, which need not be the first in PATH (as in deploy/setup/install.sh).
    if os.path.exists("/usr/bin/python3") and not os.environ.get("PERENNIAL_SECOND_PYTHON"):
        os.execve("/usr/bin/python3", ["/usr/bin/python3", *sys.argv], {**os.environ, "PERENNIAL_SECOND_PYTHON": "1"})
    sys.exit("needs the Python package matplotlib (Debian: python3-matplotlib)")

TOP = pathlib.Path(__file__).resolve().parents[2]
RESULTS = TOP / "docs/results"


def module(path):
    spec = importlib.util.spec_from_file_location(path.replace("/", "_"), TOP / f"{path}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


EVALUATION, TRAINING = module("model/eval/plot"), module("model/training/plot")


def what_is_wrong(png):
    """With a picture, as matplotlib's own reader sees it; None if nothing is."""
    pixels = image.imread(png)
    height, width, channels = pixels.shape
    if not (300 <= height <= 2000 and 500 <= width <= 2000 and channels in (3, 4)):
        return f"{width} by {height} pixels with {channels} channels"
    ink = (pixels[:, :, :3] < 0.95).any(axis=2)
    # Axes and letters alone, without anything drawn, are grey; nothing at all is white.
    coloured = pixels[:, :, :3].max(axis=2) - pixels[:, :, :3].min(axis=2) > 0.2
    if not 0.01 < ink.mean() < 0.9 or coloured.mean() < 0.0005:
        return f"{100 * ink.mean():.2f} % ink, {100 * coloured.mean():.3f} % coloured"
    # Something in each of nine fields.
    for field in range(9):
        row, column = divmod(field, 3)
        part = ink[row * height // 3:(row + 1) * height // 3, column * width // 3:(column + 1) * width // 3]
        if not part.any():
            return f"nothing in field {field + 1} of nine"
    return None


class PlotsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.png = self.folder / "out.png"

    def refusal(self, *contents, out="out.png"):
        """What plot.py says of files with these contents."""
        paths = []
        for number, content in enumerate(contents):
            paths.append(self.folder / f"{number}.json")
            paths[-1].write_bytes(content)
        with self.assertRaises(SystemExit) as ended:
            EVALUATION.main([*map(str, paths), str(self.folder / out)])
        self.assertFalse(self.png.exists())
        message = str(ended.exception.code)
        self.assertNotIn("\n", message)
        return message

    def test_every_result_makes_a_picture(self):
        modes = set()
        for path in sorted(RESULTS.glob("*.json")):
            with self.subTest(path.name):
                result = json.loads(path.read_text(encoding="utf-8"))
                png = self.folder / f"{path.stem}.png"
                if "mode" in result:
                    EVALUATION.main([str(path), str(png)])
                    modes.add(result["mode"])
                else:
                    with contextlib.redirect_stdout(io.StringIO()):
                        TRAINING.main([f"--results={path}", f"--png={png}"])
                self.assertIsNone(what_is_wrong(png))
        self.assertEqual(modes, set(EVALUATION.PLOTS), "a mode without a result, or a result of an unknown mode")

    def test_files_of_a_mode_go_into_one_picture(self):
        path = str(RESULTS / "sinks.json")
        EVALUATION.main([path, path, str(self.png)])
        self.assertIsNone(what_is_wrong(self.png))

    def test_an_empty_picture_is_noticed(self):
        for axes in (False, True):
            figure, panel = pyplot.subplots(figsize=(8, 4.5))
            if not axes:
                panel.remove()
            figure.savefig(self.png, dpi=120)
            self.assertIn("ink", what_is_wrong(self.png))

    def test_a_broken_file_is_one_line(self):
        self.assertRegex(self.refusal(b'{"mode": "sinks", '), r"^plot.py: .*0\.json: Expecting property name")
        self.assertRegex(self.refusal(b"\xff\xfe"), r"^plot.py: .*0\.json: .*utf-8")
        self.assertRegex(self.refusal(b"[1, 2]"), r"^plot.py: .*0\.json: .*not a result of perennial-eval")
        with self.assertRaisesRegex(SystemExit, "^plot.py: .*none.json"):
            EVALUATION.main([str(self.folder / "none.json"), str(self.png)])

    def test_an_unknown_mode_is_one_line(self):
        self.assertRegex(self.refusal(b'{"mode": "colours"}'), r"0\.json: its mode is 'colours'; known are perplexity, ")
        self.assertRegex(self.refusal(b'{"mode": ["sinks"]}'), r"0\.json: its mode is \['sinks'\]; known are ")
        self.assertRegex(self.refusal(b'{"caches": []}'), r"0\.json: its mode is None; known are ")

    def test_files_of_different_modes_are_refused(self):
        sinks, recall = ((RESULTS / f"{mode}.json").read_bytes() for mode in ("sinks", "recall"))
        self.assertRegex(self.refusal(sinks, recall), "of one mode; .*recall, sinks")

    def test_a_mode_without_its_numbers_is_one_line(self):
        for mode in EVALUATION.PLOTS:
            with self.subTest(mode):
                self.assertRegex(self.refusal(json.dumps({"mode": mode}).encode()), f"not what the mode {mode} writes: KeyError")
        self.assertRegex(self.refusal(b'{"mode": "sinks", "caches": [{}]}'), "not what the mode sinks writes: .*sink_tok")

    def test_a_broken_result_of_the_training_is_one_line(self):
        path = self.folder / "results.json"
        for content, said in (("{", "Expecting property name"), ("[]", "not what model.training writes: TypeError"),
                              ('{"models": []}', "not what model.training writes: ")):
            path.write_text(content)
            with self.assertRaisesRegex(SystemExit, f"^[^\n]*results.json: {said}[^\n]*$"):
                TRAINING.main([f"--results={path}", f"--png={self.png}"])
        with self.assertRaisesRegex(SystemExit, "none.json"):
            TRAINING.main([f"--results={self.folder / 'none.json'}"])
        self.assertFalse(self.png.exists())

    def test_without_matplotlib_it_says_so(self):
        for module, words, said in (
                ("model.eval.plot", ["a.json", "a.png"], "plot.py: needs matplotlib (Debian: python3-matplotlib)"),
                ("model.training", ["plot", "--results=docs/results/trained-sinks.json", f"--png={self.png}"],
                 "plot needs the Python package matplotlib: pip install matplotlib")):
            program = ("import runpy, sys; sys.modules['matplotlib'] = None; "
                       f"sys.argv = ['x', *{words!r}]; runpy.run_module({module!r}, run_name='__main__')")
            done = subprocess.run([sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True)
            self.assertEqual(done.stderr, said + "\n")
            self.assertEqual(done.returncode, 1)

    def test_a_picture_that_cannot_be_written_is_one_line(self):
        with self.assertRaisesRegex(SystemExit, "^plot.py: .*none/out.png: No such file"):
            EVALUATION.main([str(RESULTS / "sinks.json"), str(self.folder / "none/out.png")])
        with self.assertRaisesRegex(SystemExit, "^.*none/out.png: No such file"):
            TRAINING.main([f"--results={RESULTS / 'trained-sinks.json'}", f"--png={self.folder / 'none/out.png'}"])

    def test_the_picture_must_be_a_png(self):
        self.assertRegex(self.refusal(b"{}", out="out.jpg"), "^usage: plot.py ")


if __name__ == "__main__":
    unittest.main()
