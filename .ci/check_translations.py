#!/usr/bin/env python
"""Check the Russian translations: complete, none fuzzy, placeholders kept, compiled, and in step with the sources."""

import ast
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import django
import polib
from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = ("vkteams_bot", "example_project")
LANGUAGE = "ru"

# (context, text): what identifies a message in a catalogue.
Message = tuple[str | None, str]

# Gettext function -> positions of context (or None) and text.
FUNCTIONS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"), (None, 0)),
    **dict.fromkeys(("pgettext", "pgettext_lazy", "npgettext", "npgettext_lazy"), (0, 1)),
}
CALL = re.compile(r"""\b(?:n?p?gettext|_)\((?:[^()'"]|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")*\)""")
PLACEHOLDER = re.compile(r"%\([a-z_]+\)[a-z]|%[sd]|\{[a-z_]*\}", re.IGNORECASE)


def main() -> int:
    settings.configure(USE_I18N=True)
    django.setup()
    problems: list[str] = []
    entries = 0
    for project in PROJECTS:
        directory = ROOT / project
        if not directory.is_dir():
            print(f"{project}: absent, not checked")
            continue
        catalogues = sorted(directory.glob(f"**/locale/{LANGUAGE}/LC_MESSAGES/*.po"))
        known: set[Message] = set()
        for path in catalogues:
            catalogue = polib.pofile(str(path))
            known |= keys(catalogue)
            entries += len(catalogue)
            problems += [f"{path.relative_to(ROOT)}: {problem}" for problem in flaws(catalogue, path)]
        used = messages_of(directory)
        problems += [f"{project}: in no .po file: {show(message)}" for message in sorted(used - known, key=show)]
        # Only makemessages sees every message (scripts too), so only then a surplus one is known to be unused.
        if shutil.which("xgettext"):
            problems += [
                f"{project}: no longer in the sources: {show(message)}" for message in sorted(known - used, key=show)
            ]
    for problem in problems:
        print(problem)
    print(f"translations: {entries} messages, {len(problems)} problems")
    return 1 if problems else 0


def flaws(catalogue: polib.POFile, path: Path) -> Iterator[str]:
    for entry in catalogue:
        if entry.obsolete:
            continue
        texts = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
        if entry.fuzzy:
            yield f"fuzzy: {entry.msgid!r}"
        if not all(texts):
            yield f"not translated: {entry.msgid!r}"
            continue
        # A plural form may leave the number out ("one message"), but none may invent a placeholder.
        wanted = set(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid))
        for text in texts:
            found = set(PLACEHOLDER.findall(text))
            if found - wanted or (not entry.msgid_plural and found != wanted):
                yield f"placeholders differ: {entry.msgid!r} and {text!r}"
    compiled = path.with_suffix(".mo")
    if not compiled.exists():
        yield "not compiled: run manage.py compilemessages"
    elif translations(polib.mofile(str(compiled))) != translations(catalogue.translated_entries()):
        yield "the .mo file is older: run manage.py compilemessages"


def translations(entries: Iterable[polib.POEntry | polib.MOEntry]) -> dict[Message, object]:
    return {(entry.msgctxt, entry.msgid): entry.msgstr_plural or entry.msgstr for entry in entries}


def keys(catalogue: polib.POFile) -> set[Message]:
    return {(entry.msgctxt, entry.msgid) for entry in catalogue if not entry.obsolete}


def show(message: Message) -> str:
    context, text = message
    return repr(text) if context is None else f"{text!r} (context {context!r})"


def messages_of(directory: Path) -> set[Message]:
    """Return what the sources below ``directory`` have translated."""
    if shutil.which("xgettext"):
        return made_by_makemessages(directory)
    return set(found_by_reading(directory))


def made_by_makemessages(directory: Path) -> set[Message]:
    found: set[Message] = set()
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / directory.name
        # Without the catalogues: what comes out is what the sources hold, and nothing that an old .po kept.
        shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("locale", "__pycache__"))
        (copy / "locale").mkdir()
        for domain in ("django", "djangojs"):
            # -P: the app has modules named as those of the standard library (types), and they are in this directory.
            command = [sys.executable, "-P", "-m", "django", "makemessages", "--verbosity", "0"]
            subprocess.run([*command, "--locale", LANGUAGE, "--domain", domain], cwd=copy, check=True)
        for path in copy.glob(f"locale/{LANGUAGE}/LC_MESSAGES/*.po"):
            found |= keys(polib.pofile(str(path)))
    return found


def found_by_reading(directory: Path) -> Iterator[Message]:
    """Without gettext: the calls in Python files and templates. Scripts are left out."""
    for path in directory.rglob("*.py"):
        yield from calls(ast.parse(path.read_text(encoding="utf-8")))
    for suffix in ("html", "txt"):
        for path in directory.glob(f"**/templates/**/*.{suffix}"):
            code = templatize(path.read_text(encoding="utf-8"))
            # What templatize leaves is X-ed out text around calls such as  gettext(u'…').
            for call in re.findall(
                r"\b(?:n?p?gettext|_)\((?:[^()'\"]|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")*\)", code
            ):
                yield from calls(ast.parse(call))


def calls(tree: ast.AST) -> Iterator[Message]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name not in FUNCTIONS:
            continue
        context_at, text_at = FUNCTIONS[name]
        text = constant(node, text_at)
        if text:
            yield (None if context_at is None else constant(node, context_at)), text


def constant(call: ast.Call, position: int) -> str | None:
    if position < len(call.args):
        argument = call.args[position]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return argument.value
    return None


if __name__ == "__main__":
    sys.exit(main())
