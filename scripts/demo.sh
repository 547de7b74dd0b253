#!/usr/bin/env bash
# Three nodes on this machine, as three devices would do it: one makes a mesh, two join it by code,
# they find one another by mDNS (on loopback only), fetch their layers from the one that has the
# model, and answer together. Each lends 12 MB, so that none of them could run the model alone.
#   scripts/demo.sh                shows it and ends
#   scripts/demo.sh --stay         leaves the mesh up, with its page, until Ctrl-C
#   scripts/demo.sh --weft BINARY  shows it with this binary; installs and builds nothing
#   scripts/demo.sh --vulkan NAME  the phone computes on that Vulkan device, the board on it and on
#                                  its processor
set -euo pipefail

stay=false
weft=
vulkan=
while (($# > 0)); do
  case $1 in
    --stay) stay=true ;;
    --vulkan) vulkan=${2:?--vulkan needs a device name} && shift ;;
    --weft) weft=$(realpath "${2:?--weft needs a binary}") && shift ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
  esac
  shift
done
cd "$(dirname "$0")/.."

if [[ -z $weft ]]; then
  scripts/setup.sh
  echo "== building (a few minutes the first time) =="
  cmake --preset release >/dev/null
  cmake --build --preset release --target weft | tail -n 1
  weft=$PWD/build/weft
fi

lab=$(mktemp -d "${TMPDIR:-/tmp}/weft-demo-XXXXXX")
pids=()
clean_up() {
  for pid in "${pids[@]}"; do kill -INT "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$lab"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
die() { echo "demo: $1" >&2; tail -n 20 "$lab"/*.log >&2 || true; exit 1; }

# The file's last line that has `"$2":`, and the value of that key.
json_value() { sed -n "s/.*\"$2\": *\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p" "$1" | tail -n 1; }
# wait_for SECONDS COMMAND...: until the command succeeds. Sanitized builds ask for more patience.
wait_for() {
  local tries=$(($1 * 10 * ${WEFT_PATIENCE:-1}))
  shift
  until "$@" 2>/dev/null; do
    ((tries-- > 0)) || return 1
    sleep 0.1
  done
}

echo "== laptop makes the mesh; phone and board join it =="
"$weft" init --dir "$lab/laptop" --name laptop >"$lab/init.log"
for name in phone board; do
  "$weft" invite --dir "$lab/laptop" --interface lo --listen 127.0.0.1:0 --yes --json \
    >"$lab/invite-$name.log" 2>&1 &
  inviter=$!
  pids+=("$inviter")
  wait_for 10 grep -q '"code"' "$lab/invite-$name.log" || die "no invite came up"
  code=$(json_value "$lab/invite-$name.log" code)
  echo "  laptop\$ weft invite      -> $code"
  "$weft" join "$code" --dir "$lab/$name" --name "$name" --interface lo 2>/dev/null |
    sed "s/^/  $name\$ weft join: /" || die "$name could not join"
  wait "$inviter" || die "the invite for $name failed"
done

echo "== all three come up; only the laptop has the model's file =="
for name in laptop phone board; do
  more=()
  if [[ $name == laptop ]]; then more=(--model-dir assets); fi
  if [[ -n $vulkan && $name != laptop ]]; then
    more+=(--backend vulkan --vulkan-device "$vulkan")
    if [[ $name == board ]]; then more+=(--vulkan-memory 8M); fi
  fi
  "$weft" up --dir "$lab/$name" --interface lo --mesh 127.0.0.1:0 --http 127.0.0.1:0 \
    --threads 1 --memory 12M --kv-tokens 2048 "${more[@]}" >"$lab/$name.log" 2>&1 &
  pids+=($!)
done
for name in laptop phone board; do
  wait_for 20 test -s "$lab/$name/http.addr" || die "$name did not come up"
done
wait_for 60 "$weft" status --dir "$lab/board" --ready >"$lab/ready" ||
  die "the mesh did not become ready"
"$weft" status --dir "$lab/board"

question="What is 27 + 58?"
echo
echo "== the board asks: $question =="
"$weft" run weft-tiny --mesh --dir "$lab/board" -p "$question" --temp 0 2>"$lab/figures" |
  tee "$lab/answer"
cat "$lab/figures"
grep -q '85' "$lab/answer" || die "that is not right"
echo
echo "== and for a story =="
"$weft" run weft-tiny --mesh --dir "$lab/phone" -p "Tell me a story about the lamp." --temp 0
echo
echo "The page with nodes, layers and a chat: http://$(cat "$lab/laptop/http.addr")/"
if $stay; then
  echo "The mesh stays up; Ctrl-C ends it."
  wait
fi
