"""The same bits on every x86 processor: what a training must be kept from, if others are to make the same weights.

Libraries use what a processor has: wider instructions add in another order, approximations of a square root differ from
maker to maker, and half precision is only worth while where it is built in. A last bit is nothing to hear, but ten thousand
steps later it is another network. Environment variables keep each library to what x86 processors have in common since 2013,
and must be set before the first of them is imported: a command that needs it runs itself again.

Source
------
Our choice. Reproducibility pages of NumPy, oneDNN, MKL (conditional numerical reproducibility), PyTorch and OpenBLAS.
"""

import os
import platform
import subprocess
import sys

ENVIRONMENT = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
}


def held():
    """Whether this process is kept to `ENVIRONMENT`."""
    return all(os.environ.get(name) == value for name, value in ENVIRONMENT.items())


def mark():
    """What to add to a name by which something computed is kept, so that bits of the two kinds never meet: a list of str."""
    return ["portable"] if held() else []


def hold():
    """Run the command line again under `ENVIRONMENT`, in place of this process, unless it is held already."""
    if not held():
        environment = os.environ | ENVIRONMENT
        if os.name == "nt":  # there a process cannot be replaced
            sys.exit(subprocess.call(sys.orig_argv, env=environment))
        os.execve(sys.executable, sys.orig_argv, environment)


def arithmetic():
    """Whose bits are computed here: "portable", or the name of the processor and its instructions."""
    import torch  # takes seconds, and chooses its instructions as it is imported

    if held() and platform.machine() in ("x86_64", "AMD64"):
        return "portable"
    return f"{torch.cpu.get_capabilities().get('cpu_name', platform.machine())} {torch.backends.cpu.get_cpu_capability()}"
