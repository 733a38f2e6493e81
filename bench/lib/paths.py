"""The hottest paths of bench/paths.lua under valgrind: for bench/instructions and bench/locks, and bench/record with its own."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
REEF = ROOT / "build" / "release" / "reef"
SCRIPT = ROOT / "bench" / "paths.lua"
FEW = 1000
# How many more: enough that what happens meanwhile by the clock does not count.
MANY = {"launch": 400, "pack": 10000, "bson": 10000, "http": 4000, "socket": 5000}
MANY_OF_OTHERS = 20000


def few_and_more(path):
    """How often a path is gone along in a short run, and how much oftener in a long one."""
    return min(FEW, MANY.get(path, FEW) // 4), MANY.get(path, MANY_OF_OTHERS)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            sys.exit(f"bench: {program} is missing: scripts/install-deps test")


def choose(parser, reef, names):
    """All paths, or those that were named."""
    need("valgrind", "redis-server")
    listed = subprocess.run([reef, "run", str(SCRIPT), "list"], capture_output=True, text=True).stdout.split()
    for name in names:
        if name not in listed:
            parser.error(f"there is no path {name}: {' '.join(listed)}")
    return names or listed


def run_script(valgrind, reef, words, port, directory=None):
    """Runs a script with one worker; what it has printed, and what valgrind said."""
    command = [*valgrind, reef, "run", *map(str, words)]
    env = dict(os.environ, REEF_THREADS="1", REDIS_PORT=str(port))
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, cwd=directory)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout, done.stderr


def run(valgrind, reef, path, n, port):
    """Goes along a path; what valgrind said."""
    return run_script(valgrind, reef, [SCRIPT, path, n], port)[1]


def instructions(reef, words, port, directory=None):
    """Of a script's whole run; and what it has printed."""
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    printed, said = run_script(valgrind, reef, words, port, directory)
    return int(re.search(r"I\s+refs:\s+([\d,]+)", said)[1].replace(",", "")), printed


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


@contextlib.contextmanager
def redis(directory):
    """A server of its own; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory],
                              stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while not can_connect(port):
            if time.monotonic() > until or server.poll() is not None:
                sys.exit("bench: redis-server does not start")
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()
