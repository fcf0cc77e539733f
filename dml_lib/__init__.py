"""Deep manifold learning on music audio: find your way in sound libraries by ear and by map.

Sounds flow through six rooms in one direction:
sounds -> features -> neighborhoods -> network -> embeddings -> (evaluation, maps, sonification).
Each module is one concept; the chapters of the book walk through them in the same order.
"""

import os

__version__ = "0.1.0"

# Torch's threads spin while they wait, which blocks a core that another program needs: let them spin briefly.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
