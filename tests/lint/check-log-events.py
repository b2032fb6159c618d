#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each event of daemon/util/log-events.h is logged somewhere, and has exactly one entry in systemd/doed.catalog, which has
no other; its text names only fields that there are, and journalctl takes it."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

EVENTS, LOG, CATALOG = map(pathlib.Path, ("daemon/util/log-events.h", "daemon/util/log.c", "systemd/doed.catalog"))
SKIPPED = 77


def duplicates(values):
    return {value for value in values if values.count(value) > 1}


def check_table(names, texts, ids):
    problems = [f"{EVENTS}: {value} stands there twice" for values in (names, texts, ids) for value in duplicates(values)]
    source = "".join(path.read_text() for path in pathlib.Path("daemon").rglob("*.c"))
    problems += [f"{EVENTS}: {name} is logged nowhere" for name in names if f"LOG_EVENT_{name}" not in source]
    return problems


def check_catalog(ids):
    text = CATALOG.read_text()
    entries = re.findall(r"^-- ([0-9a-f]{32})\nSubject: .+\nDefined-By: doed\n\n(?!--|#)\S", text, re.MULTILINE)
    headers = re.findall(r"^-- (.*)$", text, re.MULTILINE)
    fields = set(re.findall(r'"(?:DOED_[A-Z_]+|SYSLOG_IDENTIFIER)[="]', LOG.read_text()))
    known = {field.strip('"=') for field in fields}
    problems = [f"{CATALOG}: {header} is no whole entry: ID, Subject, Defined-By, text"
                for header in headers if header not in entries]
    problems += [f"{CATALOG}: no entry of {wanted}" for wanted in ids if wanted not in headers]
    problems += [f"{CATALOG}: {header} is no event" for header in headers if header not in ids]
    problems += [f"{CATALOG}: {header} stands there twice" for header in duplicates(headers)]
    problems += [f"{CATALOG}: there is no field {field}"
                 for field in sorted(set(re.findall(r"@([A-Z_]+)@", text)) - known)]
    return problems


def check_with_journalctl(ids):
    with tempfile.TemporaryDirectory() as root:
        folder = pathlib.Path(root, "usr/lib/systemd/catalog")
        folder.mkdir(parents=True)
        shutil.copy(CATALOG, folder)
        problems = []
        for option in ("--update-catalog", "--dump-catalog"):
            result = subprocess.run(["journalctl", f"--root={root}", option], capture_output=True, text=True, check=False)
            if result.returncode != 0 or result.stderr:
                problems.append(f"journalctl {option}: {result.stderr}")
        listed = re.findall(r"^-- ([0-9a-f]{32})$", result.stdout, re.MULTILINE)
        if sorted(listed) != sorted(ids):
            problems.append(f"journalctl knows {len(listed)} of {len(ids)} entries")
    return problems


def main():
    rows = re.findall(r'^ +X\(([A-Z_]+), +"([a-z-]+)", +"([0-9a-f]{32})", LOG_', EVENTS.read_text(), re.MULTILINE)
    n_rows = len(re.findall(r"^ +X\(", EVENTS.read_text(), re.MULTILINE))
    names, texts, ids = zip(*rows)
    problems = [] if len(rows) == n_rows else [f"{EVENTS}: {n_rows - len(rows)} rows cannot be read"]
    problems += check_table(names, texts, ids) + check_catalog(ids)
    if shutil.which("journalctl"):
        problems += check_with_journalctl(ids)
    for problem in problems:
        print(problem)
    if problems:
        return 1
    if not shutil.which("journalctl"):
        print("skipped in part: there is no journalctl to read the catalog")
        return SKIPPED
    return 0


sys.exit(main())
