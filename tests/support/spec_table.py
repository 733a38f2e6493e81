"""The table of the public MongoDB suites: what passed, and what was skipped, why.

Lua tests name their cases SUITE/FILE: DESCRIPTION. Those of a test NAME_pool are the cases of NAME once more, with
clients that have their connections from a pool's service. The page docs/mongo.md has the table between two marks; a suite whose
files are those that it was written with has to come out as it says.
"""
import collections
import re

BEGIN, END = "<!-- spec table: begin -->", "<!-- spec table: end -->"
HEAD = ("| suite | files | cases | passed | of these on a real server too | and through pools | skipped, and why |\n"
        "|---|---|---|---|---|---|---|\n")


def suites_of(results):
    """SUITE -> list of (file, kind, text); the kind of a case with pools begins with `pool `."""
    suites = collections.defaultdict(list)
    for result in results:
        pooled = result.name.removesuffix(".lua").endswith("_pool")
        for name, kind, text in result.cases:
            match = re.match(r"([\w-]+)/([^:]+): ", name)
            if match:
                suites[match[1]].append((match[2], "pool " + kind if pooled else kind, text))
    return suites


def reasons_of(cases):
    counts = collections.Counter(text for _, kind, text in cases if kind == "skip")
    counts["failed"] = sum(kind == "fail" for _, kind, _ in cases)
    return "; ".join(f"{n} {text}" for text, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if n)


def rows(results):
    """SUITE -> its row."""
    out = {}
    for suite, everything in sorted(suites_of(results).items()):
        cases = [case for case in everything if not case[1].startswith("pool ")]
        pooled = sum(kind == "pool ok" for _, kind, _ in everything)
        if not cases:
            continue
        passed = [text for _, kind, text in cases if kind == "ok"]
        skipped = sum(kind == "skip" for _, kind, _ in cases)
        on_server = sum("server" in text for text in passed)
        why = reasons_of(cases)
        out[suite] = (f"| {suite} | {len({file for file, _, _ in cases})} | {len(cases)} | {len(passed)} "
                      f"| {on_server or ''} | {pooled or ''} | {f'{skipped}: {why}' if why else ''} |")
    return out


def table(results):
    return HEAD + "\n".join(rows(results).values()) + "\n"


def split(page):
    before, rest = page.split(BEGIN)
    between, after = rest.split(END)
    return before, between, after


def write(path, results):
    before, _, after = split(path.read_text())
    path.write_text(f"{before}{BEGIN}\n{table(results)}{END}{after}")


def differences(path, results):
    """Rows of the page that were written with as many files and cases, and say something else."""
    said = {line.split("|")[1].strip(): line for line in split(path.read_text())[1].splitlines() if line.startswith("|")}
    for suite, row in rows(results).items():
        known = said.get(suite)
        if known and known.split("|")[2:4] == row.split("|")[2:4] and known != row:
            yield f"{path.name} says: {known}\n       it came to: {row}"
