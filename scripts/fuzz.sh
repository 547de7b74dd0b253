#!/usr/bin/env bash
# Builds the fuzzers and runs each for some seconds over a corpus that it keeps in build-fuzz/.
#   scripts/fuzz.sh                  every fuzzer for 60 s
#   scripts/fuzz.sh 600 gguf mdns    these two for 600 s each
# A crash leaves its input in build-fuzz/<name>-crash-*; give that file to the fuzzer to replay it.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
names=("$@")
if ((${#names[@]} == 0)); then names=(gguf template mdns trust); fi
scripts/setup.sh --fuzz
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target "${names[@]/%/_fuzz}"
for name in "${names[@]}"; do
  corpus=build-fuzz/corpus/$name
  mkdir -p "$corpus"
  if [[ $name == gguf ]]; then head -c 65536 assets/weft-tiny.gguf >"$corpus/tiny-header"; fi
  "build-fuzz/${name}_fuzz" -max_total_time="$seconds" -max_len=65536 -timeout=10 \
    -artifact_prefix="build-fuzz/$name-" -print_final_stats=1 "$corpus"
done
