#!/usr/bin/env bash
# Packs a cross build and answers a question with it, under the emulator: only the bundle's own
# libraries can be found. The logits of a prompt are those that AVX2 gives, bit by bit.
#   bundle_test.sh EMULATOR
set -euo pipefail
cd "$(dirname "$0")/../.."

# Of `weft logits assets/weft-tiny.gguf` with the tokens below, on x86-64 with AVX2.
expected=90c0bd53fd973f81e2ee92ed64660eb8d5ef455ec4779a565dabd45af7cba5bd

scripts/bundle.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/nowhere"
lib=build-aarch64/weft-aarch64/lib
weft=("$1" -L "$scratch/nowhere" $lib/ld-linux-aarch64.so.1 --library-path $lib $lib/weft)

answer=$("${weft[@]}" run assets/weft-tiny.gguf -p "What is 27 + 58?" --temp 0)
echo "answer: $answer"
[[ $answer == *"27 + 58 = 85."* ]]

for table in neon-i8mm neon-dotprod neon; do
  WEFT_CPU=$table "${weft[@]}" logits assets/weft-tiny.gguf --out "$scratch/logits" \
    --tokens 1,2,3,5,7,11,13,17,19,23,29,31,37,41,43 >/dev/null
  echo "$table: $(sha256sum <"$scratch/logits")"
  [[ $(sha256sum <"$scratch/logits") == "$expected"* ]]
done
