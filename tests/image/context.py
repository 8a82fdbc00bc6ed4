#!/usr/bin/env python3
"""Copies the build context, what .dockerignore lets through, into a new folder.

    context.py FOLDER
"""

import shutil
import sys
from pathlib import Path

from image import REPOSITORY


def main():
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    first, *exceptions = rules
    if first != "*" or not all(rule.startswith("!") for rule in exceptions):
        sys.exit(".dockerignore: want `*` and exceptions from it")
    patterns = [rule.removeprefix("!") for rule in exceptions]
    for pattern in patterns:
        found = list(REPOSITORY.glob(pattern))
        if not found:
            sys.exit(f".dockerignore: `{pattern}` is nothing")
        for path in found:
            copy(path, target / path.relative_to(REPOSITORY))


def copy(path, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, target, symlinks=True)
    else:
        shutil.copy2(path, target)


if __name__ == "__main__":
    main()
