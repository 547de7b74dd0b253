#!/usr/bin/env bash
# Installs, builds and runs every test; its last lines are ctest's.
#   scripts/test.sh                 the release build
#   scripts/test.sh asan            the same under AddressSanitizer and UBSan (or: tsan, debug)
#   scripts/test.sh release -R mesh further arguments go to ctest
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-release}
shift || true
scripts/setup.sh --tests
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"

build=build
if [[ "$preset" != release ]]; then build=build-$preset; fi
# Tests that need to see time pass are few; two at a time fill two cores.
exec ctest --test-dir "$build" --output-on-failure -j "$(nproc)" "$@"
