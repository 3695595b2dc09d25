"""Names of files that somebody else chose."""

from __future__ import annotations

import re
from urllib.parse import unquote

FALLBACK = "file"
LONGEST_BYTES = 200  # of 255; what makes a name unique needs some
LONGEST_SUFFIX_BYTES = 40

_SEPARATORS = re.compile(r"[/\\]")
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
_EXTENDED = re.compile(r"filename\*\s*=\s*([\w-]+)'[\w-]*'([^;\s]+)", re.IGNORECASE)
_PLAIN = re.compile(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', re.IGNORECASE)


def safe_name(name: str) -> str:
    """A name that stays in its directory and shows what it is, on any system: at most 200 bytes, never empty.

    Directories, leading dots, and characters that cannot be seen (controls, bidi overrides) go; the suffix stays.
    """
    name = _SEPARATORS.split(name)[-1]
    name = "".join(char for char in name if char.isprintable()).translate(_FORBIDDEN)
    name = name.strip().lstrip(". ").rstrip(". ")
    if _RESERVED.match(name):
        name = f"_{name}"
    return _shortened(name) or FALLBACK


def numbered(name: str, number: int) -> str:
    """`report.pdf` for 0, then `report (1).pdf`, …"""
    stem, suffix = _split(name)
    return f"{stem} ({number}){suffix}" if number else name


def name_in_header(content_disposition: str) -> str | None:
    """The file name of a Content-Disposition header, not made safe; None when there is none."""
    extended = _EXTENDED.search(content_disposition)
    if extended is not None:
        try:
            return unquote(extended[2], encoding=extended[1], errors="replace")
        except LookupError:
            pass
    plain = _PLAIN.search(content_disposition)
    if plain is None:
        return None
    return re.sub(r"\\(.)", r"\1", plain[1]) if plain[1] is not None else plain[2]


def _split(name: str) -> tuple[str, str]:
    stem, dot, suffix = name.rpartition(".")
    if not stem or not suffix or len(suffix.encode()) > LONGEST_SUFFIX_BYTES:
        return name, ""
    return stem, dot + suffix


def _shortened(name: str) -> str:
    stem, suffix = _split(name)
    room = LONGEST_BYTES - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix
