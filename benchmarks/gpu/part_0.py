"""What the machine is, whether ghostnas is importable there, and the embedded data set for the parts that follow."""

import subprocess
import sys
from pathlib import Path

import torch
from findings import started

check = started(0)


def said(*command: str) -> str:
    """What a command prints, errors included; why it cannot run, where it cannot."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except OSError as error:
        return str(error)
    return (done.stdout + done.stderr).strip()


from nas.data import load, pixels  # noqa: E402
from nas.latency import fingerprint  # noqa: E402

check.note("python", sys.version.split()[0])
check.note("ghostnas imported without ray", "ray" not in sys.modules)
if not check.dry:
    check.note("compute capability", list(torch.cuda.get_device_capability(0)))
    check.note("kernels that torch holds", torch.cuda.get_arch_list())
    check.note("torch.cuda.is_bf16_supported", torch.cuda.is_bf16_supported())
    check.note("free and whole memory", [round(one / 2**30, 2) for one in torch.cuda.mem_get_info(0)], "GiB")
    check.note("CUDA that torch was built with", torch.version.cuda)
    check.note("UUID by torch", str(torch.cuda.get_device_properties(0).uuid))
    check.note("nvidia-smi -L", said("nvidia-smi", "-L"))
    query = "--query-gpu=name,uuid,driver_version,clocks.sm,clocks.mem,compute_mode,mig.mode.current,persistence_mode"
    check.note(query, said("nvidia-smi", query, "--format=csv,noheader"))
    for path in ("/proc/driver/nvidia/gpus", "/proc/driver/nvidia/version", "/sys/module/nvidia/version"):
        there = Path(path)
        check.note(path, said("ls", path) if there.is_dir() else there.read_text() if there.exists() else "absent")
check.note("doctor --help", said(sys.executable, "-m", "nas", "doctor", "--help").splitlines()[:2])
check.note("pictures", len(pixels(load(None).train, 64 if check.dry else 160)), "of the embedded set")
check.note("fingerprint", fingerprint(check.device))
