#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""check-libdoe.py LIBRARY: what libdoe.so exports, what its symbol map lists, what its header declares and what its page
names are the same functions; the header and the C++ example compile alone, in C and in C++, and the page's example too."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "client/libdoe"
SKIPPED = 77


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def functions(text):
    return set(re.findall(r"\b(doe_\w+)(?= ?\()", text))


def declared():
    text = re.sub(r"/\*.*?\*/", "", (FOLDER / "libdoe.h").read_text(), flags=re.DOTALL)
    return functions(text)


def exported(library):
    """Names with the version LIBDOE_0."""
    symbols = (line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines())
    return {name.removesuffix("@@LIBDOE_0") for name in symbols if name != "LIBDOE_0"}


def mapped():
    return set(re.findall(r"^\s+(doe_\w+);", (FOLDER / "libdoe.sym").read_text(), re.MULTILINE))


def page():
    text = (FOLDER / "libdoe.3").read_text()
    return set(re.findall(r'\b(doe_\w+)(?="? ?\()', text))


def page_example():
    text = (FOLDER / "libdoe.3").read_text()
    return text.partition("\n.EX\n")[2].partition("\n.EE\n")[0].replace("\\&", "").replace("\\en", "\\n")


def compile_all(folder):
    (folder / "alone.c").write_text("#include <libdoe.h>\n")
    (folder / "twice.cpp").write_text("#include <libdoe.h>\n#include <libdoe.h>\n")
    (folder / "page.c").write_text(page_example())
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Wno-unused-parameter", "-Werror", f"-I{FOLDER}", "-fsyntax-only"]
    units = [("cc", "-std=c99", folder / "alone.c"), ("c++", "-std=c++11", folder / "twice.cpp"),
             ("cc", "-std=c11", folder / "page.c"), ("c++", "-std=c++11", FOLDER / "examples/list-features.cpp")]
    for compiler, standard, source in units:
        run(compiler, standard, *flags, source)


def main():
    wanted = declared()
    for what, found in (("exported", exported(sys.argv[1])), ("in libdoe.sym", mapped()), ("in libdoe.3", page())):
        assert found == wanted, f"{what}, but not declared: {found - wanted}; the reverse: {wanted - found}"
    if not shutil.which("c++"):
        print("skipped: there is no C++ compiler")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        compile_all(pathlib.Path(folder))
    roff = subprocess.run(["groff", "-ww", "-man", "-Tutf8", "-z", FOLDER / "libdoe.3"], stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8"}, check=True) if shutil.which("groff") else None
    assert not roff or not roff.stderr, roff.stderr
    return 0


sys.exit(main())
