#!/usr/bin/env bash
# Create a venv with LeRobot and the package, for `make test-lerobot`. LeRobot 0.6.1 asks for Python 3.12 and for an older
# torch than the package is tested with; it runs with this one, so it is installed without its own choice of versions.
# Usage: scripts/setup_lerobot.sh VENV   (LEROBOT_PYTHON names the interpreter where none of the usual names is 3.12 or 3.13)
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1

find_python() {
    for name in ${LEROBOT_PYTHON:-} python3.12 python3.13 python3 "$HOME"/.pyenv/versions/3.1[23].*/bin/python; do
        if "$name" -c "import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))" 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "setup: LeRobot needs Python 3.12 or 3.13, and none was found; name one in LEROBOT_PYTHON." >&2
    return 1
}

[ -x "$venv/bin/python" ] || "$(find_python)" -m venv "$venv"
install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
echo "setup: installing LeRobot and embodied_mem into $venv (a few minutes and 6 GB the first time)"
install --constraint constraints.txt --editable . torchvision==0.28.0 hypothesis pytest pytest-timeout \
    "diffusers>=0.38,<0.40" "draccus>=0.11.6,<0.12" "einops>=0.8,<0.9" "huggingface-hub>=1.6,<2" num2words packaging \
    requests safetensors termcolor tqdm "transformers>=5.4,<5.6" "datasets>=4.8,<5" "pandas>=2,<3" "av>=15,<16" jsonlines \
    "pyarrow>=21,<30"
install --no-deps lerobot==0.6.1
