"""How Sphinx makes the site (scripts/docs). Pages are Markdown, as they are read in the repository; nothing is fetched."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

project = "Reef"
copyright = ""
release = re.search(r"project\(reef VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "README"
exclude_patterns = ["site"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"Reef {release}"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["reef.css"]
# Blocks without a language are output or plain text; `lua part: why` is Lua.
highlight_language = "text"
pygments_style = "friendly"
pygments_dark_style = "monokai"
suppress_warnings = ["myst.header", "misc.highlighting_failure"]

NAVIGATION = [
    ("Begin", "tutorial cookbook moving api/README"),
    ("Services", "services config time schedule errors together proxies testing commands c"),
    ("Data", "redis mongo sql pools config-data shared-data diff mail"),
    ("Network", "sockets tls gates http cluster harbor bus etcd"),
    ("Operate", "deploy metrics page profile traces faults threats"),
    ("Inside", "design"),
]


def outside(match):
    """A link out of docs/ has no page here: the path is shown instead."""
    text, target = match[1], match[2]
    return text if text.startswith("`") else f"{text} (`{re.sub(r'^(../)+', '', target)}`)"


def prepare(app, name, source):
    text = re.sub(r"^```lua part:[^\n]*$", "```lua", source[0], flags=re.M)
    text = re.sub(r"^```csv$", "```text", text, flags=re.M)
    text = re.sub(r"\[([^\]]*)\]\(((?:\.\./)+(?!(?:[\w-]+\.md|api/))[^)]*)\)", outside, text)
    if name.count("/") == 0:
        text = re.sub(r"\[([^\]]*)\]\((\.\./[^)]*)\)", outside, text)
    if name == "README":
        trees = [f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(pages.split()) + "\n```\n" for title, pages in NAVIGATION]
        text += "\n" + "\n".join(trees)
        missing = {p.stem for p in (ROOT / "docs").glob("*.md")} - {p for _, pages in NAVIGATION for p in pages.split()} - {"README"}
        if missing:
            text += "\n```{toctree}\n:hidden:\n:caption: More\n\n" + "\n".join(sorted(missing)) + "\n```\n"
    if name == "api/README":
        names = sorted(p.stem for p in (ROOT / "docs" / "api").glob("*.md") if p.stem != "README")
        text += "\n```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"
    source[0] = text


def setup(app):
    app.connect("source-read", prepare)
