"""`python tests/fuzz/replay.py TARGET SEED`: one damaged file once more, in this process, and where it lies."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz.inputs import make_inputs
from fuzz.targets import TARGETS

if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    make_inputs(folder)
    target = TARGETS[sys.argv[1]]
    print(folder / f"damaged_{target.sample}")
    target.run(folder, int(sys.argv[2]))
