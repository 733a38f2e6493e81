"""What benchmarks start and what it says: Reefs, servers, yardsticks. For bench/run and bench/peers/run.

Results are lines `RESULT name key=number ...`; a key of `results` is `name.key`, its value a list with one for each round. What
was started ends with the Processes (a context manager), and so does the directory that it works in.
"""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = ROOT / "build" / "release"
START_SECONDS = 60  # that a server may take
RUN_SECONDS = 300  # that one program may run


def missing(what, command):
    """A yardstick that is not there is no empty column."""
    sys.exit(f"bench: {what} is missing: {command}")


def need_program(name, command):
    if not shutil.which(name):
        missing(name, command)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Processes:
    def __init__(self, reef, threads):
        self.reef = reef
        self.threads = threads
        self.directory = tempfile.mkdtemp(prefix="reef-bench-")
        self.results = {}
        self.redis_port = None
        self.mongo_port = None
        self.children = []
        self.leftovers = [self.directory]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in list(self.children):
            self.stop(child)
        for directory in self.leftovers:
            shutil.rmtree(directory, ignore_errors=True)

    def note(self, key, value):
        self.results.setdefault(key, []).append(value)

    def value(self, key):
        """The median of a result; None if there is none."""
        values = self.results.get(key)
        return statistics.median(values) if values else None

    def collect(self, text):
        for name, values in re.findall(r"^RESULT (\S+) (.*)$", text, re.M):
            for key, value in re.findall(r"(\w+)=(\S+)", values):
                self.note(f"{name}.{key}", float(value))
        failed = re.search(r"^FAILED (.*)", text, re.M | re.S)
        if failed:
            sys.exit("bench: " + failed[1])

    def start(self, name, threads=None, more="", **extra):
        """A reef whose first service is bench/NAME.lua; `more`: lines of its configuration."""
        config = pathlib.Path(self.directory, name + ".config")
        config.write_text(
            f'start = "{name}"\nthread = {threads or self.threads}\nharbor = 0\n'
            f'luaservice = "{ROOT}/bench/?.lua"\nlua_path = "{ROOT}/bench/lib/?.lua;{self.directory}/?.lua"\n{more}\n')
        env = {**os.environ, "REDIS_PORT": str(self.redis_port),
               "MONGO_PORT": str(self.mongo_port), **extra}
        process = subprocess.Popen([self.reef, str(config)], env=env, stdin=subprocess.DEVNULL, cwd=self.directory,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.children.append(process)
        return process

    def run_service(self, name, **extra):
        process = self.start(name, **extra)
        text, _ = process.communicate(timeout=RUN_SECONDS)
        self.children.remove(process)
        if process.returncode != 0:
            sys.exit(f"bench: {name}: exit code {process.returncode}\n{text[-2000:]}")
        self.collect(text)
        return text

    def run_program(self, *command, **extra):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=RUN_SECONDS, check=False,
                              cwd=self.directory, env={**os.environ, **extra})
        if done.returncode != 0:
            sys.exit(f"bench: {command[0]}: exit code {done.returncode}\n{done.stderr}{done.stdout[-2000:]}")
        self.collect(done.stdout)
        return done.stdout

    def yard(self, name):
        path = RELEASE / "bench" / ("yard_" + name)
        if not path.exists():
            missing(f"the yardstick {path.name}", "scripts/install-deps build bench, then scripts/bench")
        return path

    def spawn_sources(self):
        """A module of 2,000 lines for bench/spawn.lua."""
        large = pathlib.Path(self.directory, "large.lua")
        if not large.exists():
            functions = "".join(
                f"function M.f{i}(a, b)\n\tlocal t = {{ id = {i}, name = 'item{i}', a }}\n\tfor k = 1, b or 3 do\n"
                f"\t\tt[#t + 1] = k * {i}\n\tend\n\tif a then\n\t\treturn t.id + a\n\tend\n\treturn t\nend\n"
                for i in range(200))
            large.write_text("local M = {}\n" + functions + "function M.answer()\n\treturn M.f1(1)\nend\nreturn M\n")

    def stop(self, process):
        process.kill()
        process.communicate()
        self.children.remove(process)

    @contextlib.contextmanager
    def passing(self):
        """Stops what is started in it."""
        before = list(self.children)
        yield
        for child in [child for child in self.children if child not in before]:
            self.stop(child)

    def wait_until(self, server, what, ready):
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"bench: {what} does not start")
            time.sleep(0.02)

    def start_redis(self):
        if not self.redis_port:
            self.redis_port = self.new_redis("redis.sock", "--port")

    def new_redis(self, name, *options):
        need_program("redis-server", "scripts/install-deps test")
        port, path = free_port(), self.directory + "/" + name
        server = subprocess.Popen(["redis-server", *options, str(port), "--bind", "127.0.0.1", "--save", "",
                                   "--unixsocket", path, "--appendonly", "no", "--dir", self.directory],
                                  stdout=subprocess.DEVNULL)
        self.children.append(server)
        self.wait_until(server, "redis-server", lambda: os.path.exists(path))
        return port

    def start_mongo(self):
        if not self.mongo_port:
            self.mongo_port = free_port()
            # Builds it where there is none, which takes a while.
            subprocess.run([str(ROOT / "scripts" / "mongo-server")], check=True, stdout=subprocess.DEVNULL)
            server = subprocess.Popen([str(ROOT / "scripts" / "mongo-server"), self.directory + "/mongo", str(self.mongo_port)],
                                      stdout=subprocess.DEVNULL)
            self.children.append(server)
            self.wait_until(server, "the MongoDB server", lambda: accepts(self.mongo_port))
