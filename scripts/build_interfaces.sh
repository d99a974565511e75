#!/usr/bin/env bash
# Build embodied_mem_interfaces and install it straight into the venv; nothing has to be sourced afterwards.
# Usage: scripts/build_interfaces.sh VENV
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(cd "$1" && pwd)
build=$venv/build/embodied_mem_interfaces
log=$build/build.log

for tool in cmake c++; do
    if ! command -v "$tool" >/dev/null && [ ! -x "$venv/bin/$tool" ]; then
        echo "setup: $tool is needed to build the ROS interfaces: sudo apt-get install cmake g++" >&2
        exit 1
    fi
done

export PATH=$venv/bin:$PATH
export VIRTUAL_ENV=$venv
site_packages=$("$venv/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")

# Files of an older version would be found again by the generators' globs and by the ament index.
rm -rf "$build" "$venv/share/embodied_mem_interfaces" "$venv/include/embodied_mem_interfaces" \
    "$site_packages/embodied_mem_interfaces"
mkdir -p "$build"
echo "setup: building embodied_mem_interfaces (log: $log)"
{
    cmake -S embodied_mem_interfaces -B "$build" -GNinja \
        -DCMAKE_PREFIX_PATH="$venv;${AMENT_PREFIX_PATH:-}" \
        -DCMAKE_INSTALL_PREFIX="$venv" \
        -DCMAKE_INSTALL_RPATH="\$ORIGIN;\$ORIGIN/../../.." \
        -DPYTHON_INSTALL_DIR="${site_packages#"$venv"/}" \
        -DPython3_EXECUTABLE="$venv/bin/python" \
        -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF &&
        cmake --build "$build" -j2 &&
        cmake --install "$build"
} >"$log" 2>&1 || {
    tail -30 "$log" >&2
    echo "setup: building embodied_mem_interfaces failed; the whole log is $log" >&2
    exit 1
}
"$venv/bin/python" -c "from embodied_mem_interfaces.srv import Query"
