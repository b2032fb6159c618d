#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The completions of doectl in bash, with and without bash-completion, in zsh on a terminal, and in fish: all verbs and
options, mailboxes whose brackets the shell does not take for a pattern, the features of the mailbox that is named. Without
a bus they end within seconds. A shell that is not installed is left out, and said so; without any, status 77."""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "client/completions"
LOADER = pathlib.Path("/usr/share/bash-completion/bash_completion")
MAILBOX = "0000:3b:00.0[d00]"
SHELL_SEC = 30
AWAY_SEC = 10  # the completion itself waits for one second, twice

BASH = r"""
[ -z "$LOADER" ] || . "$LOADER"
. "$FILE"
for line in "$@"; do
        COMP_LINE=$line COMP_POINT=${#line}
        _doectl doectl
        printf '%s' "${COMPREPLY[*]}"
        echo
done
"""

FISH = r"""
source $FILE
for line in $argv
    echo (complete -C $line | string replace -r '\t.*' '')
end
"""

# What would be offered is what compadd is told to add, except where it is asked to compute and add nothing.
ZSH = r"""PS1=; unsetopt zle_bracketed_paste automenu autolist; fpath=($FOLDER $fpath); autoload -Uz compinit; compinit -u -D
compadd() { emulate -L zsh; local -a hits
  [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] || { builtin compadd -A hits "$@"; print -rl -- $hits >>$HITS }
  builtin compadd "$@" }
offer() { : >$HITS; zle complete-word; local buffer=$BUFFER; BUFFER=; zle -I
  print -r -- "OF""FER<$buffer>${(j: :)${(f)"$(<$HITS)"}}END" }
zle -N offer; bindkey '^X' offer; print RE""ADY
"""


def run(environment, *command):
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment,
                            encoding="utf-8", timeout=SHELL_SEC)
    return answer.stdout.splitlines()


def bash(environment, lines, loader=""):
    return run(dict(environment, FILE=str(FOLDER / "doectl"), LOADER=loader), "bash", "--norc", "-c", BASH, "bash", *lines)


def bash_with_loader(environment, lines):
    return bash(environment, lines, str(LOADER))


def fish(environment, lines):
    return run(dict(environment, FILE=str(FOLDER / "doectl.fish")), "fish", "--no-config", "-c", FISH, *lines)


def read_until(descriptor, mark):
    deadline = time.monotonic() + SHELL_SEC
    text = ""
    while mark not in text:
        if not select.select([descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
            raise TimeoutError(f"zsh did not say {mark}, but {text!r}")
        text += os.read(descriptor, 65536).decode(errors="replace")
    return text


def zsh(environment, lines):
    with tempfile.NamedTemporaryFile() as hits:
        child, terminal = pty.fork()
        if child == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"],
                       dict(environment, TERM="dumb", COLUMNS="1000", FOLDER=str(FOLDER), HITS=hits.name))
        try:
            os.write(terminal, ZSH.encode())
            read_until(terminal, "READY\r\n")
            answers = []
            for line in lines:
                os.write(terminal, line.encode() + b"\x18")
                said = re.search(r"OFFER<(.*?)>(.*?)END", read_until(terminal, "END\r\n"), re.DOTALL)
                answers.append(re.sub(r"\s+", " ", said.group(2)).strip())
            return answers
        finally:
            os.close(terminal)
            os.waitpid(child, 0)


def words(text):
    """Without quoting, and without what bash keeps of a word before its last colon."""
    return {word.replace("\\", "") for word in text.split()}


def expect(shell, line, offered, *wanted, only=False):
    missing = [word for word in wanted if word not in offered]
    surplus = sorted(offered - set(wanted)) if only else []
    if missing or surplus:
        raise AssertionError(f"{shell}: {line!r} offers {sorted(offered)}; missing: {missing}, too many: {surplus}")


def check(shell, complete, verbs, options):
    lines = ["doectl ", "doectl ex", "doectl show ", f"doectl exchange '{MAILBOX}' ", "doectl exchange --m",
             "doectl exchange --priority=", "doectl cdat ", "doectl -H elsewhere show ", "doectl exchange --",
             "doectl show 0000:3b:00.0\\[d"]
    answers = complete(os.environ, lines)
    assert len(answers) == len(lines), f"{shell}: {answers}"
    raw = dict(zip(lines, answers))
    offered = {line: words(answer) for line, answer in raw.items()}
    expect(shell, lines[0], offered[lines[0]], *verbs, only=True)
    expect(shell, lines[1], offered[lines[1]], "exchange", "explain", only=True)
    expect(shell, lines[2], offered[lines[2]], MAILBOX, "0000:3a:00.1[190]", "10000:01:00.0[150]", "0000:3b:00.0")
    if shell != "fish":  # which quotes on its own, after this
        assert MAILBOX.replace("[", "\\[").replace("]", "\\]") in raw[lines[2]], f"{shell}: {raw[lines[2]]}"
    expect(shell, lines[3], offered[lines[3]], "cma-spdm", "0001:01", "discovery", "0001:00", only=True)
    assert any(word.startswith("--max-response") for word in offered[lines[4]]), f"{shell}: {raw[lines[4]]}"
    priorities = {word.rpartition("=")[2] for word in offered[lines[5]]}
    expect(shell, lines[5], priorities, "urgent", "normal", "background", only=True)
    expect(shell, lines[6], offered[lines[6]], "0000:3a:00.0")
    expect(shell, lines[7], offered[lines[7]], only=True)
    expect(shell, lines[8], {word.rstrip("=") for word in offered[lines[8]]}, *options)
    assert len(offered[lines[9]]) == 1 and raw[lines[9]].endswith("00.0\\[d00\\]" if shell != "fish" else MAILBOX), raw


def check_away(shell, complete):
    """Nobody is on the bus, and nobody answers."""
    with tempfile.TemporaryDirectory() as folder:
        away = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={folder}/bus")
        begun = time.monotonic()
        offered = words(complete(away, ["doectl show "])[0])
        assert not offered, f"{shell}: offers {offered} without a bus"
        assert time.monotonic() - begun < AWAY_SEC, f"{shell}: hangs without a bus"
        features = words(complete(away, [f"doectl exchange '{MAILBOX}' "])[0])
        expect(shell, "features without a bus", features, "cxl-table-access", "discovery")


def check_that_nothing_runs(shell, complete):
    """Neither what stands on the line, nor doed only because a word is completed."""
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            complete(os.environ, ["doectl -x|.*)/touch${IFS}pwn/e;# ", "doectl --x|.*)/touch${IFS}pwn/e;#=",
                                  "doectl show --x|touch${IFS}pwn|e;#="])
        finally:
            os.chdir(here)
        assert not os.listdir(folder), f"{shell}: the line was run: {os.listdir(folder)}"
        service, bus = pathlib.Path(folder) / "services", f"unix:path={folder}/bus"
        service.mkdir()
        (service / "org.doed.service").write_text(f"[D-BUS Service]\nName=org.doed\nExec=/usr/bin/touch {folder}/started\n")
        (pathlib.Path(folder) / "bus.conf").write_text(
            f"<busconfig><listen>{bus}</listen><servicedir>{service}</servicedir><policy context='default'>"
            "<allow send_destination='*'/><allow own='*'/></policy></busconfig>")
        with subprocess.Popen(["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--print-address"],
                              stdout=subprocess.PIPE) as daemon:
            try:
                assert daemon.stdout.readline()
                offered = complete(dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=bus), ["doectl show "])
                assert offered == [""], f"{shell}: {offered}"
            finally:
                daemon.kill()
        assert not os.path.exists(f"{folder}/started"), f"{shell}: doed was started"


def main():
    usage = run(os.environ, "doectl", "--help")
    verbs = [line.split()[0] for line in usage[usage.index("Commands:") + 1:usage.index("Options of all commands:") - 1]]
    options = re.findall(r"^  (?:-.,|   ) (--[a-z-]+)", "\n".join(run(os.environ, "doectl", "exchange", "--help")),
                         re.MULTILINE)
    assert "list" in verbs and "--fresh" in options and "--json" in options
    n_checked = 0
    for shell, complete in (("bash", bash), ("bash", bash_with_loader), ("zsh", zsh), ("fish", fish)):
        if not shutil.which(shell) or (complete is bash_with_loader and not LOADER.exists()):
            print(f"left out: {complete.__name__} is not installed")
            continue
        check(shell, complete, verbs, options)
        check_away(shell, complete)
        check_that_nothing_runs(shell, complete)
        n_checked += 1
    return 0 if n_checked else 77


if __name__ == "__main__":
    sys.exit(main())
