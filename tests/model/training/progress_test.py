"""The progress bar. Needs no torch."""

import io
import unittest

from model.training.progress import Progress, clock


class ProgressTest(unittest.TestCase):
    def test_clock(self):
        self.assertEqual([clock(seconds) for seconds in (0, 59.6, 61, 3723)], ["0:00", "1:00", "1:01", "1:02:03"])

    def test_says_what_is_left_from_time_to_time(self):
        now, stream = [0.0], io.StringIO()
        progress = Progress("Vanilla", 100, done=50, stream=stream, now=lambda: now[0])
        now[0] = 10.0
        progress.show(60)  # too early for another line
        now[0] = 20.0
        progress.show(70, "loss 2.5")
        now[0] = 50.0
        progress.show(100)
        lines = stream.getvalue().splitlines()
        self.assertEqual(len(lines), 2)
        self.assertIn("70/100  loss 2.5  0:30 left", lines[0])
        self.assertIn("100/100", lines[1])
        self.assertIn("0:50 taken", lines[1])


if __name__ == "__main__":
    unittest.main()
