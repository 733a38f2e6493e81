"""Measuring for the Python programs of bench/peers, which print results as bench/lib/bench.lua does."""
import platform
import time


def version(name, of):
    print(f"VERSION {name} {of}, Python {platform.python_version()}", flush=True)


class Measure:
    """The CPU time, user and system of this process, of what is done within it, n times."""

    def __init__(self, label, n):
        self.label, self.n = label, n

    def __enter__(self):
        self.wall, self.cpu = time.monotonic(), time.process_time()

    def __exit__(self, failed, *_):
        cpu, wall = time.process_time() - self.cpu, time.monotonic() - self.wall
        if not failed:
            print(f"RESULT {self.label} cpu={cpu / self.n * 1e6:.9g} wall={wall / self.n * 1e6:.9g}", flush=True)
