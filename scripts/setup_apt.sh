#!/usr/bin/env bash
# Install the Debian/Ubuntu packages that the venv cannot carry: OpenGL for offscreen rendering, a compiler for the
# ROS interfaces. Without root or a password-free sudo it prints the line to run and goes on.
set -euo pipefail

packages=(git python3-venv cmake g++ libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libosmesa6 libusb-1.0-0 libgomp1 libx11-6)

if ! command -v dpkg-query >/dev/null; then
    echo "setup: not a Debian or Ubuntu machine; make sure it has what these packages give: ${packages[*]}" >&2
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    echo "setup: these system packages are missing and this user may not install them: ${missing[*]}" >&2
    echo "setup: going on without them. Ask an administrator to run:" >&2
    echo "    sudo sh -c '$line'" >&2
    exit 0
fi

echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
