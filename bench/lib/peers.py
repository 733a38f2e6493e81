"""Where bench/peers/setup has put other runtimes' clients, and how each is started."""
import os
import shutil

from processes import ROOT, missing

MADE = ROOT / "build" / "peers"
SOURCES = ROOT / "bench" / "peers"


def need(path, what):
    if not path or not os.path.exists(path):
        missing(what, "scripts/install-deps peers && bench/peers/setup")
    return path


def python():
    """A command, and what its environment needs: as the others here."""
    need(MADE / "python" / "pymongo", "pymongo")
    need(MADE / "python" / "redis", "redis-py")
    return ["/usr/bin/python3", "-B"], {"PYTHONPATH": f"{MADE}/python"}


def go():
    return [need(MADE / "go" / "peers", "what is made of the Go modules")], {}


def node():
    modules = MADE / "node" / "node_modules"
    need(modules / "ioredis", "ioredis")
    return [need(MADE / "node" / "node", "Node.js")], {"PEERS_NODE_MODULES": str(modules)}


def erlang():
    need(MADE / "erlang" / "peers.beam", "the Erlang program")
    # Its schedulers do not spin when idle: that would count as work.
    quiet = ["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]
    return [need(shutil.which("erl"), "Erlang"), "+P", "1000000", *quiet, "-noshell", "-pa", str(MADE / "erlang"), "-s", "peers",
            "main"], {}
