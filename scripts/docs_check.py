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
        for table in re.findall(r"^\| (?:configuration )?key \|.*\n\|[-| ]+\n((?:\|.*\n)+)", text, re.M):
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
    there = {"run", "sim", "replay"} | {p.stem for p in (ROOT / "lualib" / "command").glob("*.lua")}
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



# ---- messages ----

SAID_IN_C = re.compile(r"\b(?:reef_log|reef_log_at|reef_log_service|reef_clean_complain|skynet_error|complain|fprintf\s*\(\s*stderr)"
                       r"\s*[(,]((?:[^;\"]|\"(?:[^\"\\]|\\.)*\")*)\)\s*;")
SAID_IN_LUA = re.compile(r"\bskynet\.error\s*\(?\s*\(?[^\n\"]*?\"((?:[^\"\\]|\\.)*)\"")
# Commands explain themselves.
SILENT = ("core/tools/", "core/clean.c", "lualib/command/", "lualib/meta/", "lualib/reef/test", "core/main.c: reef run", "lualib/reef/allocator")


def messages():
    """(source, what is printed) of the engine, the drivers and the library: formats as they stand there."""
    for room in ("core", "socket", "drivers", "sharetable", "datasheet", "profile"):
        for path in sorted((ROOT / room).rglob("*.c")):
            for arguments in SAID_IN_C.findall(path.read_text()):
                text = "".join(re.findall(r"\"((?:[^\"\\]|\\.)*)\"", arguments))
                yield str(path.relative_to(ROOT)), text
    for path in sorted((ROOT / "lualib").rglob("*.lua")):
        for text in SAID_IN_LUA.findall(path.read_text()):
            yield str(path.relative_to(ROOT)), text


def explained_messages(text):
    """The patterns of docs/faults.md, as text -> expression."""
    found = {}
    for row in re.findall(r"^\| (`.*?) \| ", text, re.M):
        for words in re.findall(r"`([^`]+)`", row):
            found[words] = re.compile(".*".join(re.escape(part) for part in words.split("…")), re.S)
    return found


def faults(texts):
    """Every message that is printed is explained, and nothing is explained that nobody prints."""
    page = ROOT / "docs" / "faults.md"
    patterns, used = explained_messages(texts.get(page, "")), set()
    for source, text in messages():
        text = text.replace("\\n", "").replace('\\"', '"')
        if len(re.sub(r"%[-+.*\d]*[a-zA-Z]+|\W", "", text)) < 3 and text != ": " or f"{source}: {text}".startswith(SILENT):
            continue
        fits = [words for words, pattern in patterns.items() if pattern.fullmatch(text)]
        used.update(fits)
        if not fits:
            yield page, f"does not explain `{text}` ({source})"
    for words in patterns:
        if words not in used and not said_elsewhere(words):
            yield page, f"explains `{words}`, which nobody prints"


def said_elsewhere(words):
    """Is a piece of it in the sources, though no call that prints has all of it?"""
    piece = max(words.split("…"), key=len).strip()
    for room in ("core", "socket", "drivers", "lualib", "sharetable", "datasheet"):
        for path in (ROOT / room).rglob("*.*"):
            if path.suffix in (".c", ".lua") and piece in path.read_text():
                return True
    return False


def complaints():
    texts = {path: path.read_text() for path in pages() if path.exists()}
    for check in (links, all_have_a_way_in, keys, commands, faults):
        for path, text in check(texts):
            yield f"{path.relative_to(ROOT)}: {text}"
