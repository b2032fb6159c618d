#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the unit runs after doed-pci has ended: a function that a killed one kept awake may sleep again, what is gone is
forgotten, and nobody is served."""

import os
import pathlib
import subprocess
import sys
import tempfile

ADDRESS, GONE = "0000:3a:00.0", "0000:3b:00.0"


def main():
    with tempfile.TemporaryDirectory() as folder:
        control = pathlib.Path(folder) / "sys/bus/pci/devices" / ADDRESS / "power/control"
        kept = pathlib.Path(folder) / "run/power"
        control.parent.mkdir(parents=True)
        kept.mkdir(parents=True)
        control.write_text("on\n")
        for address in (ADDRESS, GONE):
            (kept / address).write_text("auto")
        subprocess.run(
            [pathlib.Path(os.environ["DOED_BUILD"]) / "daemon/pci/doed-pci", "--restore-power",
             "--sysfs", f"{folder}/sys", "--wire", f"{folder}/run/wire"], check=True, timeout=30)
        assert control.read_text().strip() == "auto", control.read_text()
        assert not list(kept.iterdir()), list(kept.iterdir())
        assert not (pathlib.Path(folder) / "run/wire").exists()


sys.exit(main())
