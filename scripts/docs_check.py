"""What docs/ and the README promise and files can show: links, pictures, keys, commands, scripts. For scripts/docs --check.

Blocks of code are run by tests/integration/docs.lua.
"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"(!?)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$", re.M)
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
# Words behind `reef` that stand for something.
PLACEHOLDERS = {"config", "path"}


def pages():
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "tests" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(text):
    """The ids that GitHub gives the headings of a page."""
    found, seen = set(), {}
    for _, title in HEADING.findall(FENCE.sub("", text)):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) if not title.startswith("`") else title
        name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = seen.get(name, 0)
        seen[name] = count + 1
        found.add(name if count == 0 else f"{name}-{count}")
    return found


def links(texts):
    ids = {path: anchors(text) for path, text in texts.items()}
    for path, text in texts.items():
        for picture, target in LINK.findall(re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))):
            if re.match(r"https?:|mailto:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            if not file.exists():
                yield path, f"{'the picture' if picture else 'the link to'} {target} leads nowhere"
            elif anchor and file in ids and anchor not in ids[file]:
                yield path, f"{target}: that page has no such heading"


def all_have_a_way_in(texts):
    """Every page can be reached from the README or the index."""
    index = ROOT / "docs" / "README.md"
    reached = {(index.parent / t.partition("#")[0]).resolve() for _, t in LINK.findall(texts.get(index, ""))}
    for path in texts:
        if path.parent == ROOT / "docs" and path != index and path not in reached:
            yield index, f"does not lead to {path.name}"


def known_keys():
    source = (ROOT / "core" / "host" / "config_keys.c").read_text()
    return set(re.findall(r"^\t\t(?:OF|NUMBER|ONE_OF)\(\"(\w+)\"", source, re.M))


def keys(texts):
    """Every key that Reef reads is explained in a table, and nothing else is called one."""
    known, explained = known_keys(), set()
    for path, text in texts.items():
        for table in re.findall(r"^\| key \|.*\n\|[-| ]+\n((?:\|.*\n)+)", text, re.M):
            for row in table.splitlines():
                cells = re.findall(r"`([a-z_]+)`", row.split("|")[1])
                explained.update(cells)
                for name in cells:
                    if name not in known and path.name != "gates.md":
                        yield path, f"the key {name} is none that Reef reads"
    for name in sorted(known - explained):
        yield ROOT / "docs" / "config.md", f"the key {name} is in no table of keys"


def commands(texts):
    """Every `reef COMMAND` and scripts/NAME that is shown exists."""
    there = {"run"} | {p.stem for p in (ROOT / "lualib" / "command").glob("*.lua")}
    for path, text in texts.items():
        if path.name in ("CHANGELOG.md",):
            continue
        shown = re.findall(r"(?:^    (?:\$ )?|^\$ |`)(?:\S*/)?reef ([a-z][\w.-]*)", text, re.M)
        for word in sorted(set(shown)):
            if word not in there | PLACEHOLDERS and "." not in word:
                yield path, f"there is no command `reef {word}`"
        for name in sorted(set(re.findall(r"(?<![\w/.])scripts/([a-z][\w-]*)(?![\w/*.])", text))):
            if not (ROOT / "scripts" / name).exists():
                yield path, f"there is no scripts/{name}"


def complaints():
    texts = {path: path.read_text() for path in pages() if path.exists()}
    for check in (links, all_have_a_way_in, keys, commands):
        for path, text in check(texts):
            yield f"{path.relative_to(ROOT)}: {text}"
