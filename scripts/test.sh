#!/usr/bin/env bash
# Installs, builds and runs every test; its last lines are ctest's.
#   scripts/test.sh                 the release build
#   scripts/test.sh asan            the same under AddressSanitizer and UBSan (or: tsan, debug)
#   scripts/test.sh aarch64         the unit tests of a build for aarch64, under qemu
#   scripts/test.sh release -R mesh further arguments go to ctest
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-release}
shift || true
if [[ "$preset" == aarch64 ]]; then
  scripts/setup.sh --aarch64
else
  scripts/setup.sh --tests
fi
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"

build=build
if [[ "$preset" != release ]]; then build=build-$preset; fi
# Tests that need to see time pass are few; two at a time fill two cores.
exec ctest --test-dir "$build" --output-on-failure -j "$(nproc)" "$@"
