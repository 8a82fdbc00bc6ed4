"""The chart as Helm renders it: for the tests beside this file, and to write what people review (`python chart.py`).

Programs and folders come from the Makefile by variables; without one of them nothing is skipped, everything fails.
"""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

from schemas import Loader

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
CHART = ROOT / "charts/portcullis"
# Files of values by name: those here, and those of the kind run.
VALUES = {path.stem: path for path in sorted((HERE / "values").glob("*.yaml"))}
VALUES |= {"kind": path for path in (ROOT / "tests/kind").glob("values.yaml")}
REFUSED = sorted((HERE / "refused").glob("*.yaml"))
# One a mode.
GOLDEN = ["deployment", "daemonset", "sidecar", "external"]

RELEASE, NAMESPACE = "portcullis", "authz"
# Of no interest to who reviews.
CHECKSUM = re.compile(r"(checksum/[a-z]+: )\"?[0-9a-f]{64}\"?$", re.MULTILINE)


def helm(*arguments):
    return subprocess.run(
        [os.environ["HELM"], *map(str, arguments)], capture_output=True, text=True, check=False
    )


def template(values, *arguments, chart=CHART):
    """What `helm template` prints for a file of values; an `AssertionError` with its words if it refuses them."""
    told = helm("template", RELEASE, chart, "--namespace", NAMESPACE, "--values", values, *arguments)
    if told.returncode:
        raise AssertionError(f"{values}: {told.stderr}")
    return told.stdout


@functools.cache
def rendered(name):
    """The same for one of `VALUES`."""
    return template(VALUES[name])


def documents(text):
    return [one for one in yaml.load_all(text, Loader=Loader) if one]


def objects(name, kind=None):
    """The objects that one of `VALUES` gives, of one kind if it is told."""
    return [one for one in documents(rendered(name)) if kind in (None, one["kind"])]


def the(name, kind, called=None):
    """The only object of a kind, or the one called so."""
    found = [one for one in objects(name, kind) if called in (None, one["metadata"]["name"])]
    if len(found) != 1:
        raise AssertionError(f"{name}: {len(found)} objects of kind {kind} called {called}")
    return found[0]


def with_values(text, *arguments):
    """The objects for values given as text."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        return documents(template(file.name, *arguments))


@functools.cache
def _chart_with_notes():
    """Helm shows notes only when it installs, so a copy of the chart renders them into an object."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chart-notes-"))
    shutil.copytree(CHART, folder / "portcullis")
    text = '{{ dict "kind" "Notes" "text" (include (print $.Template.BasePath "/NOTES.txt") .) | toYaml }}\n'
    (folder / "portcullis/templates/shown-notes.yaml").write_text(text)
    return folder / "portcullis"


def notes_of(values):
    """What an installation with a file of values is told."""
    chart = _chart_with_notes()
    text = template(values, "--show-only", "templates/shown-notes.yaml", chart=chart)
    return documents(text)[0]["text"]


@functools.cache
def notes(name):
    """The same for one of `VALUES`."""
    return notes_of(VALUES[name])


def golden(name):
    """What people review: the objects, then the notes."""
    made = CHECKSUM.sub(r"\1of-the-configuration", rendered(name))
    told = "".join(f"# {line}".rstrip() + "\n" for line in notes(name).splitlines())
    return f"{made}---\n# NOTES\n{told}"


def write_golden():
    for name in GOLDEN:
        (HERE / "golden" / f"{name}.yaml").write_text(golden(name))
        print(f"tests/chart/golden/{name}.yaml")


if __name__ == "__main__":
    write_golden()
