"""Writes the pages of docs/api from what api_lua has read. For scripts/api."""
import pathlib
import re

WORD = re.compile(r"[A-Za-z_][\w.]*")
TIME = re.compile(r"\b(seconds?|milliseconds?|hundredths|cs|ms|timeout|deadline)\b")
UNIT = re.compile(r"[Tt]imes? (?:is|are|in)\b.*?(seconds|hundredths of a second|milliseconds)")
TYPES_OF_SKYNET = {"skynet.address", "skynet.cs"}


def is_public(function):
    return not function.name.startswith("_") and not function.internal and not function.inner


class Page:
    """One module: its functions, and the classes that they take and return, unless another page has them."""

    def __init__(self, library, name, homes):
        self.library, self.name, self.homes = library, name, homes
        self.files = sorted(library.resolve(name), key=lambda file: bool(file.meta))
        self.functions, self.classes = [], []
        self.complaints = []
        seen = set()
        for file in self.files:
            for function in file.functions:
                entry = file.class_of.get(function.owner)
                own = function.owner in (file.returned, None) and not (entry and function.method and entry.methods)
                if own and is_public(function) and function.name not in seen:
                    seen.add(function.name)
                    self.functions.append((function, file))
        self.collect()

    def head(self):
        """The words of the module itself, before those about its C side."""
        head = self.files[0].head if self.files else []
        inside = next((i for i, line in enumerate(head) if line.startswith("Inside: ")), len(head))
        return head[:inside]

    def types_of(self, function):
        return " ".join([p[1] + " " + p[2] for p in function.params] + [r[0] for r in function.returns])

    def collect(self):
        """Classes that the functions name, and those of the same files that these name."""
        todo = [self.name] + [self.types_of(f) for f, _ in self.functions]
        todo += [file.class_of[file.returned].name for file in self.files if file.returned in file.class_of]
        own = {file.path for file in self.files}
        seen = set()
        while todo:
            for word in WORD.findall(todo.pop(0)):
                found = self.library.classes.get(word)
                if not found or word in seen or word == "skynet" and self.name != "skynet":
                    continue
                seen.add(word)
                entry, file = found
                if entry.internal():
                    continue
                entry.public = [m for m in entry.methods if is_public(m)]
                if not entry.fields and not entry.public and not entry.parent:
                    continue
                if self.homes.setdefault(word, self.name) != self.name:
                    continue
                self.classes.append((entry, file))
                todo += [self.types_of(m) for m in entry.public]
                if entry.parent:
                    todo.append(entry.parent)
                if file.path in own:
                    todo += [kind for _, kind, words in entry.fields if words]

    def signature(self, function, prefix):
        args = ", ".join(a for a in function.args if a != "self")
        optional = {p[0].rstrip("?") for p in function.params if p[0].endswith("?")
                    or re.search(r"\|nil$|\?$", p[1])}
        args = ", ".join(f"[{a}]" if a in optional else a for a in args.split(", ") if a)
        return f"{prefix}{function.name}({args})" if function.owner or prefix else f"{function.name}({args})"

    def entry(self, function, prefix, level="###"):
        text = self.signature(function, prefix)
        out = [f"{level} `{text}`", ""]
        if function.deprecated:
            out += ["Deprecated.", ""]
        if function.text:
            out += [*sentences(function.text), ""]
        rows = []
        for name, kind, words in function.params:
            rows.append(f"- `{name.rstrip('?')}` {self.kind(kind, name.endswith('?'))}{dash(words)}")
        for kind, name, words in function.returns:
            rows.append(f"- returns {self.kind(kind, False)}{dash(' '.join(w for w in (name and f'*{name}*', words) if w))}")
        if rows:
            out += [*rows, ""]
        for overload in function.overloads:
            out += [f"Also `{overload.removeprefix('fun')}`.", ""]
        return out

    def kind(self, text, optional):
        if optional and not re.search(r"\?$|\bnil\b", text):
            text += "?"
        words = [word for word in dict.fromkeys(WORD.findall(text)) if word in self.homes or word in TYPES_OF_SKYNET]
        links = [self.link_to(word) for word in words]
        if len(words) == 1:
            return f"[`{text}`]({links[0]})"
        return f"`{text}`" + "".join(f" ([{short(word)}]({link}))" for word, link in zip(words, links))

    def link_to(self, word):
        home, heading = ("skynet", "types") if word in TYPES_OF_SKYNET else (self.homes[word], anchor(word))
        return ("" if home == self.name else home + ".md") + "#" + heading

    def text(self):
        out = [f"# {self.name}", ""]
        out += [*head_text(self.head()), ""]
        names = [f"[`{f.name}`](#{anchor(self.signature(f, self.prefix(f, file)))})" for f, file in self.functions]
        if len(names) > 4:
            out += [" · ".join(names), ""]
        if self.functions:
            out += ["## Functions", ""]
        for function, file in self.functions:
            out += self.entry(function, self.prefix(function, file))
        aliases = {name: alias for file in self.files for name, alias in file.aliases.items()}
        if aliases:
            out += ["## Types", ""]
            out += [f"- `{name}` is `{kind}`{dash(words)}" for name, (kind, words) in sorted(aliases.items())] + [""]
        for entry, file in self.classes:
            out += [f"## {entry.name}", ""]
            if entry.text:
                out += [*sentences(entry.text), ""]
            if entry.parent in self.homes:
                out += [f"Has all of [{entry.parent}]({self.link_to(entry.parent)}), too.", ""]
            fields = [f for f in entry.fields if not f[0].startswith("_") and f[0] not in ("private", "protected")]
            if fields:
                out += ["| field | type | |", "|---|---|---|"]
                for name, kind, words in fields:
                    kind = self.kind(kind, name.endswith("?")).replace("|", "\\|")
                    out.append(f"| `{name.rstrip('?')}` | {kind} | {sentence(words).replace('|', chr(92) + '|')} |")
                out.append("")
            for method in entry.public:
                separator = ":" if method.method else "."
                out += self.entry(method, short(entry.name) + separator)
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(out)).rstrip() + "\n"
        return text

    def prefix(self, function, file):
        if function.owner is None:
            return ""
        last = self.name.split(".")[-1]
        base = file.returned if file.returned and len(file.returned) > 1 else last
        return base + (":" if function.method else ".")

    def check(self):
        for function, file in self.functions:
            if missing := function.missing():
                yield f"{file.path.relative_to(self.library.root.parent)}: {function.name}: {missing}"
        for entry, file in self.classes:
            for method in entry.public:
                if missing := method.missing():
                    yield f"{file.path.relative_to(self.library.root.parent)}: {entry.name}:{method.name}: {missing}"
        if not self.head():
            yield f"{self.name}: its file has no head"
        words = " ".join(w for f, _ in self.functions for p in f.params for w in (p[0], p[2]))
        words += " " + " ".join(w for c, _ in self.classes for f in c.fields for w in (f[0], f[2]))
        words += " " + " ".join(w for c, _ in self.classes for m in c.public for p in m.params for w in (p[0], p[2]))
        if TIME.search(words.replace("_", " ")) and not UNIT.search(self.head()[0] if self.head() else ''):
            yield f"{self.name}: takes times ({TIME.search(words.replace('_', ' '))[0]}), and its head does not say in what unit"


def first_paragraph(lines):
    return " ".join(lines).split("  ")[0] if lines else ""


def anchor(heading):
    """The id that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def short(name):
    return name.split(".")[-1]


def dash(words):
    return f" – {sentence(words)}" if words else ""


def sentence(text):
    return links(re.sub(r"\s+", " ", text.strip()))


def sentences(lines):
    return [links(line) for line in lines]


def page_link(match):
    there = (pathlib.Path(__file__).resolve().parent.parent / "docs" / (match[1] + ".md")).exists()
    return f"[{match[1].replace('-', ' ')}](../{match[1]}.md)" if there else match[0]


def links(text):
    """`see docs/x.md` becomes a link; what looks like HTML is shown."""
    text = re.sub(r"\bdocs/([\w-]+)\.md", page_link, text)
    return re.sub(r"<(?=[a-zA-Z/])(?![^`]*`[^`]*$)", "&lt;", text) if "`" not in text else text


def head_text(lines):
    out, code = [], False
    for line in lines:
        indented = line.startswith(("    ", "\t"))
        if indented and not code:
            if out and out[-1]:
                out.append("")
            out.append("```lua")
            code = True
        elif code and line and not indented:
            while out and not out[-1]:
                out.pop()
            out += ["```", ""]
            code = False
        out.append((line[1:] if line.startswith("\t") else line[4:]) if code else links(line))
    if code:
        while out and not out[-1]:
            out.pop()
        out.append("```")
    return out


def summary(page):
    """The first sentence of a head."""
    text = re.sub(r"\s+", " ", first_paragraph(page.head()))
    text = re.split(r"(?<=[.:;]) |; see ", text)[0].rstrip(":;.")
    return text.replace("|", "\\|")


def pages(library, chapters):
    """(file name -> text, complaints)."""
    out, complaints = {}, []
    names = [name for _, text in chapters for name in text.split()]
    # A class is at home with the module whose file declares it, else with the first that names it.
    homes = {}
    for name in names:
        for file in library.resolve(name):
            for word in () if file.meta and len(library.resolve(name)) > 1 else file.classes:
                homes.setdefault(word, name)
    made = {name: Page(library, name, homes) for name in names}
    shown = {entry.name for page in made.values() for entry, _ in page.classes}
    for word in set(homes) - shown:
        del homes[word]
    index = ["# API reference", "", "Each page is made from the annotations in the sources; editors with LuaLS show the same. "
             "[Which unit a time is in](../time.md).", ""]
    for title, names in chapters:
        index += [f"## {title}", "", "| module | |", "|---|---|"]
        for name in names.split():
            page = made[name]
            if not page.files:
                complaints.append(f"{name}: no file describes it (lualib/meta)")
                continue
            complaints += page.check()
            out[name + ".md"] = page.text()
            index.append(f"| [{name}]({name}.md) | {summary(page)} |")
        index.append("")
    out["README.md"] = "\n".join(index).rstrip() + "\n"
    return out, list(dict.fromkeys(complaints))
