"""librosa, with its compiled functions made and cached by one process at a time.

Numba keeps what it compiles beside librosa. Processes that compile at once each write parts of one function, and whoever
reads such a mixture later crashes: without an error, at each start, until the files are removed.

Source
------
Our choice.
"""

import os
import tempfile
from pathlib import Path

import librosa
from filelock import FileLock

USER = str(os.getuid()) if hasattr(os, "getuid") else ""  # a lock of another user could not be opened

with FileLock(Path(tempfile.gettempdir(), f"dml_lib{USER}.lock")):
    import librosa.util.utils  # noqa: F401
