#!/usr/bin/env bash
# Installs what weft needs from the package registries of Debian 12. Safe to run again: packages
# that are there are left alone.
#   scripts/setup.sh           to build and run
#   scripts/setup.sh --tests   and to test
#   scripts/setup.sh --fuzz    and to fuzz
#   scripts/setup.sh --aarch64 to build for aarch64 on another processor, and to test that
set -euo pipefail
cd "$(dirname "$0")/.."

tools=(g++ cmake ninja-build ccache pkg-config git ca-certificates flatbuffers-compiler glslc)
libraries=(
  libzmq3-dev libflatbuffers-dev libsodium-dev
  libmicrohttpd-dev libcurl4-openssl-dev nlohmann-json3-dev libcli11-dev libspdlog-dev
  prometheus-cpp-dev libpcre2-dev libutf8proc-dev libqrencode-dev libvulkan-dev
  libgtest-dev libgmock-dev
)
case "${1:-}" in
  --tests)
    packages=("${tools[@]}" "${libraries[@]}" libbenchmark-dev libsimde-dev iproute2 tcpdump
      avahi-daemon avahi-utils dbus python3 nodejs npm mesa-vulkan-drivers
      vulkan-validationlayers)
    ;;
  --fuzz) packages=("${tools[@]}" "${libraries[@]}" clang) ;;
  --aarch64) packages=("${tools[@]}" g++-aarch64-linux-gnu qemu-user-static) ;;
  *) packages=("${tools[@]}" "${libraries[@]}") ;;
esac

# A program that is there by another way than its package (a newer node, say) is good enough.
have() {
  case "$1" in
    nodejs) command -v node >/dev/null && return ;;
    npm) command -v npm >/dev/null && return ;;
    python3) command -v python3 >/dev/null && return ;;
  esac
  dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}

missing=()
for package in "${packages[@]}"; do
  have "$package" || missing+=("$package")
done
if ((${#missing[@]} > 0)); then
  echo "installing: ${missing[*]}"
  sudo=()
  if [[ $EUID -ne 0 ]]; then sudo=(sudo); fi
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [[ "${1:-}" == "--aarch64" ]]; then
  exec scripts/sysroot.sh libc6-dev "${libraries[@]}"
fi

client=tests/e2e/openai_client
if [[ "${1:-}" == "--tests" && -f $client/package.json && ! -d $client/node_modules/openai ]]; then
  (cd $client && npm ci --silent --no-audit --no-fund)
fi
