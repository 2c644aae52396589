"""A progress bar on standard error: what is done, a note such as the loss, and the time left."""

import sys
import time

BAR_CHARACTERS = 24
LINE_SECONDS = 15  # where there is no terminal, a line this often


def clock(seconds):
    seconds = int(seconds + 0.5)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


class Progress:
    def __init__(self, title, total, done=0, stream=None, now=time.monotonic):
        self.title, self.total, self.begun_at = title, total, done
        self.stream, self.now = stream or sys.stderr, now
        self.terminal = self.stream.isatty()
        self.start = self.shown = now()

    def show(self, done, note=""):
        """Draws the bar anew; where there is no terminal, only from time to time and at the end."""
        time_now = self.now()
        finished = done >= self.total
        if not self.terminal and not finished and time_now - self.shown < LINE_SECONDS:
            return
        self.shown = time_now
        elapsed = time_now - self.start
        fresh = done - self.begun_at
        when = f"{clock(elapsed)} taken" if finished else f"{clock(elapsed / max(fresh, 1) * (self.total - done))} left"
        full = BAR_CHARACTERS * done // max(self.total, 1)
        bar = "#" * full + "." * (BAR_CHARACTERS - full)
        line = f"{self.title:<22} [{bar}] {done:>6}/{self.total}  {note}  {when}"
        self.stream.write(f"\r{line:<79}" if self.terminal else line + "\n")
        if self.terminal and finished:
            self.stream.write("\n")
        self.stream.flush()
