#!/usr/bin/env bash
# Puts Debian's arm64 packages, and all they depend on, unpacked into build-aarch64-sysroot/: what
# the preset `aarch64` compiles and links against. The machine's own packages are not touched: apt
# works here on a state of its own, in that folder. Run by `scripts/setup.sh --aarch64`.
#   scripts/sysroot.sh PACKAGE...
set -euo pipefail
cd "$(dirname "$0")/.."

sysroot=$PWD/build-aarch64-sysroot
# The list of packages is written last: with it, the folder is whole.
if [[ -f $sysroot/packages && $(<"$sysroot/packages") == "$*" ]]; then exit 0; fi
rm -rf "$sysroot"
mkdir -p "$sysroot"/apt/{state/lists/partial,cache/archives/partial}
touch "$sysroot/apt/state/status"

apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64
  -o Dir::State="$sysroot/apt/state" -o Dir::State::status="$sysroot/apt/state/status"
  -o Dir::Cache="$sysroot/apt/cache" -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1)
echo "fetching arm64 libraries into $sysroot"
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends --download-only "$@" >/dev/null
for package in "$sysroot"/apt/cache/archives/*.deb; do
  dpkg-deb --extract "$package" "$sysroot"
done

# Links that name /lib or /usr mean the sysroot's.
find "$sysroot/usr" "$sysroot/lib" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
  ln -sfnr "$sysroot$(readlink "$link")" "$link"
done
rm -rf "$sysroot/apt"
printf '%s' "$*" >"$sysroot/packages"
