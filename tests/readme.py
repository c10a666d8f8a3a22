"""Keeps README's settings table equal to the code: `python -m tests.readme` writes it again."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
ROW = re.compile(r"(?P<comment>(?:    #: .*\n)+)(?P<rows>(?:    [A-Z_]+: .*\n)+)")


def settings_table() -> str:
    """One row a setting, from the comments in retarget_plugin/conf.py."""
    source = (ROOT / "retarget_plugin" / "conf.py").read_text("utf-8")
    lines = ["| Key | Default | Meaning |", "|---|---|---|"]
    for found in ROW.finditer(source):
        meaning = " ".join(line.strip().removeprefix("#:").strip() for line in found["comment"].splitlines())
        for row in found["rows"].splitlines():
            name, _type, default = re.fullmatch(r"    ([A-Z_]+): (.*?) = (.*)", row).groups()
            lines.append(f"| `{name}` | `{default}` | {meaning} |")
    return "\n".join(lines) + "\n"


def written(name: str = "settings") -> str:
    """What README holds between the marks of `name`."""
    text = README.read_text("utf-8")
    start, end = _place(text, name)
    return text[start:end]


def write(name: str, table: str) -> None:
    """Put `table` between the marks of `name`."""
    text = README.read_text("utf-8")
    start, end = _place(text, name)
    README.write_text(text[:start] + table + text[end:], "utf-8")


def _place(text: str, name: str) -> tuple[int, int]:
    opening = f"<!-- {name} -->\n"
    return text.index(opening) + len(opening), text.index(f"<!-- /{name} -->")


def python_blocks() -> list[str]:
    """The Python examples, in order."""
    return re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


if __name__ == "__main__":
    write("settings", settings_table())
