"""What a library of another size would cost, reckoned from a map that was made.

Source
------
Our choice. Chapter 07.
"""

import time

import numpy as np


def pace(library, n=32):
    """Seconds of one core that a sound of a map takes: decoded, analyzed, embedded, described, its preview made.

    Parameters
    ----------
    library : library.Library
        Its files must still be there.
    n : int
        Sounds to hear again, spread over the map; one more is heard before the clock starts.

    Returns
    -------
    float
        Of processor time, so another busy program does not count.
    """
    from . import hearing
    from .sounds import files

    rows = np.linspace(0, len(library.table) - 1, min(n, len(library.table))).astype(int)
    paths, how = library.table["path"].iloc[rows].tolist(), (str(library.weights), files.checksum(library.weights)[0], True)
    hearing.hear_many(paths[:1], *how)
    began = time.process_time()
    hearing.hear_many(paths, *how)
    return (time.process_time() - began) / len(paths)


def cost(library, seconds, n=10_000_000):
    """What so many sounds would need, were they like those of a map.

    Parameters
    ----------
    library : library.Library
    seconds : float
        Of one core, a sound; see `pace`.
    n : int

    Returns
    -------
    dict of str to float
        `cpu_hours`; on the disk `frames_gb` (what was heard), `previews_gb`, `table_gb`; `memory_gb` of the table opened
        in pandas. GB are 10^9 bytes.
    """
    parts = {"frames_gb": library.out / "frames", "previews_gb": library.out / "audio", "table_gb": library.out / "map.parquet"}
    sizes = {name: sum(p.stat().st_size for p in (place, *place.rglob("*")) if p.is_file()) for name, place in parts.items()}
    sizes["memory_gb"] = int(library.table.memory_usage(deep=True).sum())
    return {"cpu_hours": n * seconds / 3600} | {name: size * n / len(library.table) / 1e9 for name, size in sizes.items()}
