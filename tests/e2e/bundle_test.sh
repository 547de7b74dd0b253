#!/usr/bin/env bash
# Packs a cross build and answers a question with it, under the emulator: only the bundle's own
# libraries can be found.
#   bundle_test.sh EMULATOR
set -euo pipefail
cd "$(dirname "$0")/../.."

scripts/bundle.sh
nowhere=$(mktemp -d)
trap 'rmdir "$nowhere"' EXIT
lib=build-aarch64/weft-aarch64/lib
answer=$("$1" -L "$nowhere" $lib/ld-linux-aarch64.so.1 --library-path $lib $lib/weft \
  run assets/weft-tiny.gguf -p "What is 27 + 58?" --temp 0)
echo "answer: $answer"
[[ $answer == *"27 + 58 = 85."* ]]
