#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each option of a program's --help stands in its manual page and the other way round, and so do doectl's verbs and exit
codes; doed.conf(5) has each limit with the default that doed dumps, and each key of rules that the parser knows. What
the pages show as examples is accepted."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["DOED_BUILD"])
UNITS = {"": 1, "s": 1000000, "min": 60000000, "h": 3600000000}

complaints = []


def complain(text):
    complaints.append(text)


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def page(path):
    return (ROOT / path).read_text(encoding="utf-8").replace("\\-", "-")


def options_of_help(text):
    """Only where an option is explained, not where a text mentions one."""
    return set(re.findall(r"^  (?:-., |    )?(--[a-z-]+)", text, re.MULTILINE))


def options_of_page(text):
    """Of paragraphs that an option begins."""
    return {option for head in re.findall(r"^\.TP\n(.*)", text, re.MULTILINE)
            for option in re.findall(r"--[a-z-]+", head)}


def compare(where, wanted, found):
    for item in sorted(wanted - found):
        complain(f"{where}: {item} is missing")
    for item in sorted(found - wanted):
        complain(f"{where}: {item} stands there, and nothing knows it")


def check_daemons():
    for program, path in (("daemon/bus/doed", "daemon/bus/doed.8"), ("daemon/pci/doed-pci", "daemon/pci/doed-pci.8")):
        options = options_of_help(run(BUILD / program, "--help"))
        assert len(options) > 3
        compare(path, options, options_of_page(page(path)))


def check_doectl():
    text = page("client/doectl.1")
    usage = run("doectl", "--help")
    listed = usage[usage.index("Commands:"):usage.index("\nOptions")]
    verbs = set(re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE))
    assert "list" in verbs
    commands = text[text.index(".SH COMMANDS"):text.index(".SH OPTIONS OF ALL")]
    sections = dict(re.findall(r"^\.SS ([a-z]+.*)\n((?:(?!\.SS).*\n)*)", commands, re.MULTILINE))
    compare("doectl(1)", verbs, {head.split()[0] for head in sections})
    common = options_of_help(usage)
    everywhere = text[text.index(".SH OPTIONS OF ALL"):text.index(".SH EXIT STATUS")]
    compare("doectl(1), options of all", common, options_of_page(everywhere))
    for head, body in sections.items():
        verb, _, arguments = head.partition(" ")
        if verb not in verbs:
            continue
        verb_help = run("doectl", verb, "--help")
        compare(f"doectl(1), {verb}", options_of_help(verb_help) - common, options_of_page(body))
        wanted = verb_help.splitlines()[0].partition("[OPTION...]")[2].strip()
        if wanted != arguments:
            complain(f"doectl(1), {verb}: its arguments are {wanted!r}, not {arguments!r}")
    codes = re.findall(r"^  ([0-9])  (.*)", usage, re.MULTILINE)
    described = re.findall(r"^\.B ([0-9])\n(.*)", text, re.MULTILINE)
    compare("doectl(1), exit status", {(code, said.lower()) for code, said in codes},
            {(code, said.rstrip(".").lower()) for code, said in described})


def to_number(text):
    number, unit = re.fullmatch(r"([0-9]+)([a-z]*)", text).groups()
    return int(number) * UNITS[unit]


def check_configuration():
    text = page("daemon/config/doed.conf.5")
    dump = run(BUILD / "daemon/bus/doed", "--dump-config", "--config", os.environ["DOED_CONFIG"])
    limits = dump[dump.index("[Limits]"):dump.index("[Rule")]
    in_force = {key: int(value) for key, value in re.findall(r"^([A-Za-z]+)=([0-9]+)$", limits, re.MULTILINE)}
    described = {key: to_number(value) for key, value in
                 re.findall(r'^\.BR ([A-Za-z]+)= " \(default ([^)]+)\)"$', text, re.MULTILINE)}
    assert len(in_force) > 30
    compare("doed.conf(5), limits", set(in_force.items()), set(described.items()))
    effects = set(re.findall(r'\{ "([A-Za-z]+)", +EFFECT_', page("daemon/config/rule-effect.c")))
    matches = set(re.findall(r'\[RULE_MATCH_[A-Z_]+\] = "([A-Za-z]+)"', page("daemon/config/rule-parse.c")))
    assert len(effects) > 10 and len(matches) > 5
    rules = text[text.index(".SH RULES"):text.index(".SH CLASSES")]
    heads = {key for head in re.findall(r"^\.TP\n(.*)", rules, re.MULTILINE) for key in re.findall(r"([A-Za-z]+)=", head)}
    compare("doed.conf(5), keys of rules", effects | matches | {"Verdict"}, heads)


def examples(path):
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE).replace("\\(aq", "'").replace("\\e", "\\")
            for block in re.findall(r"^\.nf\n(.*?)^\.fi", page(path), re.MULTILINE | re.DOTALL)]


def check_examples():
    """What the pages show is accepted: rules by doed, and the Python of org.doed(5) by Python and doed."""
    folder = pathlib.Path(os.environ["DOED_CONFIG"]) / "of-the-manual"
    folder.mkdir()
    rules = [text for text in examples("daemon/config/doed.conf.5") if text.startswith("[Rule")]
    assert len(rules) > 3
    (folder / "doed.conf").write_text("\n".join(rules).replace("Group=attestation", "Group=root"), encoding="utf-8")
    checked = subprocess.run([BUILD / "daemon/bus/doed", "--check-config", "--config", folder], check=False,
                             stderr=subprocess.PIPE, encoding="utf-8")
    if checked.returncode:
        complain(f"doed.conf(5), examples: {checked.stderr}")
    agents = [text for text in examples("dbus/org.doed.5") if text.startswith(("import", "try"))]
    assert len(agents) == 2
    ran = subprocess.run([sys.executable, "-c", "\n".join(agents)], check=False, stdout=subprocess.PIPE, encoding="utf-8")
    if ran.returncode or "org.doed.Error.NeedsLease" not in ran.stdout:
        complain(f"org.doed(5), the Python examples: {ran.stdout}")


def main():
    check_daemons()
    check_doectl()
    check_configuration()
    check_examples()
    for text in complaints:
        print(text, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
