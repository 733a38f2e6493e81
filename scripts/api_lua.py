"""Reads the annotations of lualib: modules, classes and functions, with what `---` lines say of them. For scripts/api.

It reads lines, not Lua: what is public begins in the first column, and what describes it stands right above.
"""
import pathlib
import re

FUNCTION = re.compile(r"^(?:local )?function ([\w.:]+)\s*\(([^)]*)\)")
ASSIGNED = re.compile(r"^([\w.]+)\s*=\s*function\s*\(([^)]*)\)")
RETURNED = re.compile(r"^return function\s*\(([^)]*)\)")
LOCAL = re.compile(r"^local (\w+)\b")
REEXPORT = re.compile(r'^return require ?\(?"([\w.]+)"\)?\s*$', re.M)


class Function:
    """One function: `name` as it is called, its arguments, what comes back, and the words about it."""

    def __init__(self, owner, name, method, args, block, where):
        self.owner, self.name, self.method, self.args, self.where = owner, name, method, args, where
        self.text, self.params, self.returns, self.deprecated, self.overloads = [], [], [], False, []
        self.described = bool(block)
        self.inner = False  # a plain comment says what it is, to who reads the source
        for line in block:
            if match := re.match(r"@param (\S+)\s+(.*)", line):
                kind, words = split_type(match[2])
                self.params.append((match[1], kind, words))
            elif match := re.match(r"@return (.*)", line):
                self.returns.append(split_return(match[1]))
            elif match := re.match(r"@vararg (.*)", line):
                self.params.append(("...", match[1], ""))
            elif match := re.match(r"@overload (.*)", line):
                self.overloads.append(match[1])
            elif line.startswith("@deprecated"):
                self.deprecated = True
            elif not line.startswith("@"):
                self.text.append(line)
        self.internal = bool(re.search(r"\bInternal\b|^Internal", " ".join(self.text)))

    def missing(self):
        """What a reader is not told."""
        if not self.described:
            return "no description"
        told = {p[0].rstrip("?") for p in self.params}
        wanted = [a for a in self.args if a not in ("self",) and not a.startswith("_")]
        lost = [a for a in wanted if a not in told]
        if lost and not (self.overloads and not told):
            return "no @param for " + ", ".join(lost)
        if not self.text and not self.returns and not self.params:
            return "no words"
        return ""


class Class:
    def __init__(self, name, parent, where):
        self.name, self.parent, self.where = name, parent, where
        self.text, self.fields, self.methods = [], [], []

    def internal(self):
        return bool(re.search(r"\bInternal\b", " ".join(self.text)))


class File:
    """One source: its head, the module's functions, and classes by the local name that stands for them."""

    def __init__(self, path):
        self.path = path
        text = path.read_text()
        self.lines = text.splitlines()
        self.reexports = REEXPORT.search(text)[1] if REEXPORT.search(text) and len(self.lines) < 12 else None
        self.meta = self.lines[0][8:].strip() if self.lines and self.lines[0].startswith("---@meta") else None
        self.head = self.read_head()
        self.returned = next((m[1] for line in reversed(self.lines) if (m := re.match(r"^return (\w+)$", line))), None)
        self.functions, self.classes, self.aliases = [], {}, {}
        self.class_of = {}  # local name -> class
        self.read()

    def read_head(self):
        head = []
        for line in self.lines[1:] if self.meta else self.lines:
            if not line.startswith("--") or line.startswith("---"):
                break
            head.append(line[2:].removeprefix(" "))
        return head

    def read(self):
        block, pending, before = [], None, ""
        for number, line in enumerate(self.lines, 1):
            previous, before = before, line
            where = f"{self.path.name}:{number}"
            if line.startswith("---  ") and block and block[-1].startswith("@"):
                block[-1] += " " + line[3:].strip()  # a long line goes on
                continue
            if line.startswith("---  ") and pending and pending.fields and not block:
                name, kind, words = pending.fields[-1]
                pending.fields[-1] = (name, kind, words + " " + line[3:].strip())
                continue
            if line.startswith("---") and not line.startswith("----"):
                body = line[3:].strip() if line[3:4] in (" ", "@", "|") else line[3:].rstrip()
                if match := re.match(r"@class (?:\(exact\) )?([\w.]+)(?:\s*:\s*([\w.]+))?\s*(.*)", body):
                    pending = Class(match[1], match[2], where)
                    pending.text = [b for b in block if not b.startswith("@")]
                    if match[3]:
                        pending.text.append(match[3])
                    self.classes[pending.name] = pending
                    block = []
                elif pending and (match := re.match(r"@field (?:public )?(\S+)\s+(.*)", body)):
                    kind, words = split_type(match[2])
                    pending.fields.append((match[1], kind, words))
                elif match := re.match(r"@alias ([\w.]+)\s+(.*)", body):
                    self.aliases[match[1]] = split_type(match[2])
                else:
                    block.append(body)
                continue
            match = FUNCTION.match(line) or ASSIGNED.match(line)
            if match:
                made = self.add_function(match[1], match[2], block, where, line.startswith("local"))
                if made:
                    made.inner = not block and previous.startswith("--")
            elif match := RETURNED.match(line):
                # The module is a function.
                self.add_function(self.path.stem, match[1], block, where, False, True)
            elif match := LOCAL.match(line):
                if pending:
                    self.class_of[match[1]] = pending
            elif (match := re.match(r"^([\w.]+)\s*=", line)) and block and "." in match[1]:
                # A function that is made elsewhere, described here; a method, if it has a `self`.
                args = [m[1].rstrip("?") for b in block if (m := re.match(r"@param (\S+)", b))]
                name = match[1]
                if args[:1] == ["self"]:
                    args, name = args[1:], ":".join(name.rsplit(".", 1))
                    block = [b for b in block if not re.match(r"@param self\b", b)]
                self.add_function(name, ", ".join(args), block, where, False)
            pending, block = None, []

    def add_function(self, full, args, block, where, is_local, is_module=False):
        args = [a.strip() for a in args.split(",") if a.strip()]
        match = re.match(r"^([\w.]+)([.:])(\w+)$", full)
        if is_local or not match:
            if full != self.returned and not is_module:
                return None
            made = Function(None, full, False, args, block, where)
        else:
            made = Function(match[1], match[3], match[2] == ":", args, block, where)
        self.functions.append(made)
        return made


def split_type(text):
    """A type and the words behind it: types may hold spaces within brackets, after commas and bars."""
    depth, i = 0, 0
    while i < len(text):
        c = text[i]
        if c in "([{<":
            depth += 1
        elif c in ")]}>":
            depth -= 1
        elif c == '"':
            i = text.find('"', i + 1)
            if i < 0:
                return text, ""
        elif c.isspace() and depth == 0:
            before, after = text[:i].rstrip(), text[i:].lstrip()
            if not (before.endswith(("|", ",", ":")) or after.startswith(("|", ":"))):
                return before, after.removeprefix("#").strip()
        i += 1
    return text, ""


def split_return(text):
    kind, rest = split_type(text)
    rest = rest.strip()
    match = re.match(r"(\.\.\.|[a-z_]\w*)(?:\s+(.*))?$", rest)
    # `---@return integer address nothing if ...`: the first word is a name.
    return (kind, match[1], match[2] or "") if match else (kind, "", rest)


class Library:
    """All files of a lualib, by module name."""

    def __init__(self, root):
        self.root = root
        self.files, self.meta = {}, {}
        self.classes, self.aliases = {}, {}
        for path in sorted(root.rglob("*.lua")):
            name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".init")
            file = File(path)
            if file.meta:
                self.meta[file.meta] = file
            else:
                self.files[name] = file
        for file in [*self.files.values(), *self.meta.values()]:
            for name, entry in list(file.classes.items()):
                first, _ = self.classes.setdefault(name, (entry, file))
                if first is not entry:  # a class may be spread over files
                    first.fields += [f for f in entry.fields if f[0] not in {g[0] for g in first.fields}]
                    first.text = first.text or entry.text
                    for local, bound in file.class_of.items():
                        if bound is entry:
                            file.class_of[local] = first
            self.aliases.update(file.aliases)
        for file in [*self.files.values(), *self.meta.values()]:
            for function in file.functions:
                if function.owner in file.class_of and function.owner != file.returned or \
                        function.owner in file.class_of and function.method:
                    file.class_of[function.owner].methods.append(function)

    def has(self, name):
        return name in self.files or name in self.meta

    def resolve(self, name):
        """The files that make a module: what it re-exports, and what is said of its C side."""
        found, seen = [], set()
        todo = [name]
        while todo:
            name = todo.pop(0)
            if name in seen:
                continue
            seen.add(name)
            if name in self.meta:
                found.append(self.meta[name])
            if name in self.files:
                file = self.files[name]
                if file.reexports:
                    todo.append(file.reexports)
                else:
                    found.append(file)
        return found
