"""The device tests: with warnings as errors, as the suite has them, and as warnings where that fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

from findings import started

check = started(1)
ROOT = Path(__file__).parents[2]
PLUGINS = ["-p", "xdist.plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider"]
COMMAND = [sys.executable, "-m", "pytest", *PLUGINS, "-n", "0", "-q", "--tb=short", "--color=no"]
# What else is installed beside pytest does not matter.
ALONE = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
marker = "not slow and not device" if check.dry else "device"
tests = ["tests/latency/test_offers.py"] if check.dry else ["tests/latency"]

for warnings in ([], ["-W", "default"]):
    done = subprocess.run(
        [*COMMAND, "-m", marker, *warnings, *tests], cwd=ROOT, env=ALONE, capture_output=True, text=True
    )
    print(done.stdout[-15000:], done.stderr[-3000:])
    last = (done.stdout.strip().splitlines() or [""])[-1]
    check.note(
        "pytest " + " ".join(["-m", marker, *warnings]), last, failed=re.findall(r"^FAILED (\S+)", done.stdout, re.M)
    )
    if done.returncode == 0:
        break

done = subprocess.run([sys.executable, "-m", "nas", "doctor"], cwd=ROOT, capture_output=True, text=True)
print(done.stdout, done.stderr)
check.note("ghostnas doctor", done.returncode, "exit code")
