"""The table of values in the chart's README, made of `values.yaml`: its lines `# -- ` and its defaults.

`python values_table.py` writes it. A line `# -- ` belongs to the key below it; what is below that key belongs to it as well.
"""

import json
import re

import chart

README = chart.CHART / "README.md"
VALUES = chart.CHART / "values.yaml"
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"
MARK = "# -- "


def described():
    """What `values.yaml` says of its keys, by path."""
    result, path, text = {}, [], []
    for line in VALUES.read_text().splitlines():
        words = line.strip()
        if words.startswith(MARK):
            text = [words.removeprefix(MARK)]
        elif words.startswith("#"):
            if text:
                text.append(words.removeprefix("# "))
        elif key := re.match(r"( *)([A-Za-z][A-Za-z0-9]*):", line):
            depth = len(key[1]) // 2
            path = [*path[:depth], key[2]]
            if text:
                result[".".join(path)] = " ".join(text)
            text = []
    return result


def defaults(values=None, prefix="", documented=None):
    """The default of each key that has a description; a key without one stands for those below it."""
    values = chart.documents(VALUES.read_text())[0] if values is None else values
    documented = described() if documented is None else documented
    for key, value in values.items():
        path = f"{prefix}{key}"
        if path in documented or not isinstance(value, dict) or not value:
            yield path, value
        else:
            yield from defaults(value, f"{path}.", documented)


def table():
    documented = described()
    lines = ["| value | default | meaning |", "|---|---|---|"]
    for path, value in defaults():
        shown = json.dumps(value)
        shown = f"`{shown}`" if len(shown) <= 60 else "see values.yaml"
        lines.append(f"| `{path}` | {shown} | {documented[path].replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


def with_table(text):
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + table() + "\n" + END + after


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
    print(README.relative_to(chart.ROOT))
