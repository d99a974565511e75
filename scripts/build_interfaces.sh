#!/usr/bin/env bash
# Build embodied_mem_interfaces and install it straight into the venv; nothing has to be sourced afterwards. Without an
# apt-installed ROS the message of /tf is built too, as no wheel has it.
# Usage: scripts/build_interfaces.sh VENV
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(cd "$1" && pwd)

for tool in cmake c++; do
    if ! command -v "$tool" >/dev/null && [ ! -x "$venv/bin/$tool" ]; then
        echo "setup: $tool is needed to build the ROS interfaces: sudo apt-get install cmake g++" >&2
        exit 1
    fi
done

export PATH=$venv/bin:$PATH
export VIRTUAL_ENV=$venv
site_packages=$("$venv/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")

# build FOLDER: the interfaces package in FOLDER, which is named as the package.
build() {
    local source=$1 name=${1##*/}
    local folder=$venv/build/$name
    local log=$folder/build.log
    # Files of an older version would be found again by the generators' globs and by the ament index.
    rm -rf "$folder" "$venv/share/$name" "$venv/include/$name" "${site_packages:?}/$name"
    mkdir -p "$folder"
    echo "setup: building $name (log: $log)"
    {
        cmake -S "$source" -B "$folder" -GNinja \
            -DCMAKE_PREFIX_PATH="$venv;${AMENT_PREFIX_PATH:-}" \
            -DCMAKE_INSTALL_PREFIX="$venv" \
            -DCMAKE_INSTALL_RPATH="\$ORIGIN;\$ORIGIN/../../.." \
            -DPYTHON_INSTALL_DIR="${site_packages#"$venv"/}" \
            -DPython3_EXECUTABLE="$venv/bin/python" \
            -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF &&
            cmake --build "$folder" -j2 &&
            cmake --install "$folder"
    } >"$log" 2>&1 || {
        tail -30 "$log" >&2
        echo "setup: building $name failed; the whole log is $log" >&2
        exit 1
    }
}

build embodied_mem_interfaces
"$venv/bin/python" -c "from embodied_mem_interfaces.srv import Query"
if [ -z "${ROS_DISTRO:-}" ]; then
    build scripts/tf2_msgs
    "$venv/bin/python" -c "from tf2_msgs.msg import TFMessage"
fi
