#!/usr/bin/env bash
# Create the venv (or adopt the one that is there) and install the package into it, editable, with what the tests
# need. Where an apt-installed ROS is sourced its rclpy is used; elsewhere rclpy comes from PyPI's wheels.
# Usage: scripts/setup_venv.sh VENV
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1

has_apt_ros() { [ -n "${ROS_DISTRO:-}" ] && /usr/bin/python3 -c "import rclpy" 2>/dev/null; }

find_python() {
    # The ROS wheels exist for 3.10 to 3.13, the package needs 3.11.
    for name in python3.11 python3.12 python3.13 python3; do
        if "$name" -c "import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))" 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "setup: no Python 3.11, 3.12 or 3.13 with its venv module found (python3 is $(python3 --version 2>&1))." \
        "Install one: sudo apt-get install python3 python3-venv" >&2
    return 1
}

if has_apt_ros; then
    python=/usr/bin/python3
    extras=dev
    venv_options=(--system-site-packages)
else
    python=$(find_python)
    extras=ros-wheels,dev
    venv_options=()
fi

if [ ! -x "$venv/bin/python" ]; then
    echo "setup: creating $venv with $($python --version)"
    "$python" -m venv "${venv_options[@]}" "$venv"
fi
echo "setup: installing embodied_mem[$extras] into $venv (a few minutes and 4 GB the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[$extras]"
has_apt_ros || "$venv/bin/python" scripts/fix_wheel_cmake.py "$venv"
