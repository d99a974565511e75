"""Make the ROS wheels' exported CMake files point at this machine's Python and NumPy headers.

The wheels were built elsewhere and name the include folders of that machine; a build against them stops with
"imported target includes non-existent path". Running it again changes nothing.

Usage: python scripts/fix_wheel_cmake.py VENV
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

BUILDER_NUMPY = re.compile(r"/opt/python/[^;\" )]*/numpy/_core/include")
BUILDER_PYTHON = re.compile(r"/opt/python/[^;\" )]*/include/python3\.\d+")


def fix(venv: Path) -> int:
    """Rewrite the files below `venv`/share and return how many of them changed."""
    changed = 0
    for path in (venv / "share").rglob("*.cmake"):
        before = path.read_text(encoding="utf-8")
        after = BUILDER_NUMPY.sub(np.get_include(), before)
        after = BUILDER_PYTHON.sub(sysconfig.get_paths()["include"], after)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed += 1
    return changed


if __name__ == "__main__":
    print(f"setup: {fix(Path(sys.argv[1]))} CMake files of the ROS wheels corrected")
