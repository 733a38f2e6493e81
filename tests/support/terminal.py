#!/usr/bin/env python3
"""terminal.py WxH STEP... -- COMMAND...

Runs a command on a terminal of its own, and does step by step: `expect:PATTERN` waits until what was shown since the last
step that waited matches, `send:TEXT` types (with Python's escapes), `size:WxH` resizes, `kill:NUMBER` sends a signal,
`gone:` waits for the end, `hang:` takes the terminal away and waits for it. Prints all that was shown; the exit code is the
command's, 99 if a step was not to be done in 45 s.
"""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PATIENCE = 45  # seconds
shown = b""
seen = 0
pid = 0


def resize(fd, size):
    columns, rows = map(int, size.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read(fd, seconds):
    """More of what is shown. False at the end."""
    global shown
    if select.select([fd], [], [], seconds)[0]:
        try:
            more = os.read(fd, 65536)
        except OSError:
            more = b""
        shown += more
        return more != b""
    return True


def expect(fd, pattern):
    global seen
    deadline = time.monotonic() + PATIENCE
    while True:
        match = re.search(pattern.encode(), shown[seen:], re.S)
        if match:
            seen += match.end()
            return
        if time.monotonic() > deadline or not read(fd, 0.2):
            give_up("expect:" + pattern)


def gone(fd):
    deadline = time.monotonic() + PATIENCE
    while read(fd, 0.2):
        if time.monotonic() > deadline:
            give_up("gone")


def hang(fd):
    """What has no terminal any more has to end by itself."""
    os.close(fd)
    deadline = time.monotonic() + PATIENCE
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            give_up("hang")
        time.sleep(0.05)


def give_up(step):
    os.kill(pid, 9)
    sys.stdout.buffer.write(shown + b"\nnot done: " + step.encode() + b"\n")
    sys.stdout.flush()
    os._exit(99)


def main():
    global pid
    size, *steps = sys.argv[1:sys.argv.index("--")]
    command = sys.argv[sys.argv.index("--") + 1:]
    ready, go = os.pipe()
    pid, fd = pty.fork()
    if pid == 0:
        os.read(ready, 1)
        os.environ["TERM"] = "xterm"
        os.execvp(command[0], command)
    resize(fd, size)
    os.write(go, b"x")
    for step in steps:
        kind, text = step.split(":", 1)
        if kind == "expect":
            expect(fd, text)
        elif kind == "send":
            os.write(fd, text.encode().decode("unicode_escape").encode("latin-1"))
        elif kind == "size":
            resize(fd, text)
        elif kind == "kill":
            os.kill(pid, int(text))
        elif kind == "gone":
            gone(fd)
        elif kind == "hang":
            hang(fd)
    _, status = os.waitpid(pid, 0)
    sys.stdout.buffer.write(shown)
    sys.stdout.flush()
    sys.exit(os.waitstatus_to_exitcode(status) & 255)


if __name__ == "__main__":
    main()
