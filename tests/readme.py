"""Keeps README's settings table equal to the code: `python -m tests.readme` writes it again."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
MARKS = ("<!-- settings -->\n", "<!-- /settings -->")
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


def written() -> str:
    """What README holds between the marks."""
    text = README.read_text("utf-8")
    return text[text.index(MARKS[0]) + len(MARKS[0]) : text.index(MARKS[1])]


def python_blocks() -> list[str]:
    """The Python examples, in order."""
    return re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


if __name__ == "__main__":
    text = README.read_text("utf-8")
    start, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    README.write_text(text[:start] + settings_table() + text[end:], "utf-8")
