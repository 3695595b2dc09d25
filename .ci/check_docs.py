#!/usr/bin/env python
"""Check the Markdown files: links and named files exist, and the README's settings are those of conf.py."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
READMES = ("README.md", "README.ru.md")
# Hidden directories are environments, caches and Git; .ci is ours.
OURS = {".ci", ".github", ".gitlab"}

FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`+([^`\n]+)`+")
LINK = re.compile(
    r"""!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)"""  # [text](target "title")
    r"""|^\[[^\]]+\]:\s*(\S+)""",  # [name]: target
    re.MULTILINE,
)
HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$", re.MULTILINE)
SETTINGS_HEADING = re.compile(r"settings|настройк", re.IGNORECASE)
KEY = re.compile(r"[A-Z][A-Z0-9_]+")


def main() -> int:
    pages = list(markdown_files())
    problems = [problem for page in pages for problem in (*broken_links(page), *missing_files(page))]
    problems += list(settings_differences())
    for problem in problems:
        print(problem)
    print(f"docs: {len(pages)} pages, {len(problems)} problems")
    return 1 if problems or not pages else 0


def markdown_files() -> Iterator[Path]:
    for directory, names, files in os.walk(ROOT):
        names[:] = sorted(name for name in names if name in OURS or not name.startswith((".", "node_modules")))
        yield from (Path(directory) / name for name in sorted(files) if name.endswith(".md"))


def broken_links(page: Path) -> Iterator[str]:
    prose = CODE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))
    for match in LINK.finditer(prose):
        link = match.group(1) or match.group(2)
        if re.match(r"[a-z][a-z0-9+.-]*:|//", link, re.IGNORECASE):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (ROOT / path.lstrip("/") if path.startswith("/") else page.parent / path) if path else page
        if not target.exists():
            yield f"{page.relative_to(ROOT)}: link to {link}: there is no such file"
        elif anchor and target.suffix == ".md" and anchor.lower() not in anchors(target):
            yield f"{page.relative_to(ROOT)}: link to {link}: there is no such heading"


def anchors(page: Path) -> set[str]:
    """Return the names that GitHub and GitLab give to the headings of ``page``, and those it sets itself."""
    text = page.read_text(encoding="utf-8")
    found = set(re.findall(r"<a\s+(?:id|name)=\"([^\"]+)\"", text))
    for _, title in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        same = sum(1 for other in found if re.fullmatch(re.escape(name) + r"(-\d+)?", other))
        found.add(f"{name}-{same}" if same else name)
    return found


def missing_files(page: Path) -> Iterator[str]:
    """Yield the paths in code spans, `like/this.py`, that start at a folder of this checkout and do not exist."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for span in CODE.findall(prose):
        name = span.strip().rstrip("/")
        top, slash, _ = name.partition("/")
        if not slash or not re.fullmatch(r"[\w./*-]+", name) or not top or not (ROOT / top).is_dir():
            continue
        if not any(ROOT.glob(name)):
            yield f"{page.relative_to(ROOT)}: names {span}: there is no such file"


def settings_differences() -> Iterator[str]:
    if not (ROOT / "vkteams_bot" / "conf.py").exists():
        print("vkteams_bot/conf.py is absent: the table of settings is not checked")
        return
    sys.path.insert(0, str(ROOT))
    from vkteams_bot import conf  # from this checkout, whatever is installed

    wanted = set(conf.KEYS) | set(conf.BOT_KEYS)
    for name in READMES:
        readme = ROOT / name
        if not readme.exists():
            yield f"{name}: absent"
            continue
        listed = settings_of(readme)
        yield from (f"{name}: setting {key} is not in the table" for key in sorted(wanted - listed))
        yield from (f"{name}: setting {key} is unknown to conf.py" for key in sorted(listed - wanted))


def settings_of(readme: Path) -> set[str]:
    """Return the keys in the first column of the tables below a heading that speaks of settings."""
    found: set[str] = set()
    below = False
    for line in FENCE.sub("", readme.read_text(encoding="utf-8")).splitlines():
        if heading := HEADING.fullmatch(line):
            below = bool(SETTINGS_HEADING.search(heading.group(2)))
        elif below and line.lstrip().startswith("|"):
            # `BOTS["default"]["TOKEN"]` and `TOKEN` are the same row: the last key is the one described.
            for span in CODE.findall(line.strip().strip("|").split("|")[0]):
                if keys := KEY.findall(span):
                    found.add(keys[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
