#!/usr/bin/env bash
# Packs build-aarch64/weft with every library it needs, the C library and its loader as well, into
# build-aarch64/weft-aarch64.tar.gz: a folder that runs where no package can be installed, or where
# the system's C library is older or another. See docs/devices.md.
#   cmake --preset aarch64 && cmake --build --preset aarch64 --target weft && scripts/bundle.sh
set -euo pipefail
cd "$(dirname "$0")/.."

build=build-aarch64
libraries=build-aarch64-sysroot
folder=$build/weft-aarch64
rm -rf "$folder"
mkdir -p "$folder/lib"
aarch64-linux-gnu-strip -o "$folder/lib/weft" "$build/weft"

# Copies the libraries that a file names, and those that they name.
copy_needed() {
  local name from
  aarch64-linux-gnu-readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    while IFS= read -r name; do
      [[ -e $folder/lib/$name ]] && continue
      for from in "$libraries"/{usr/lib,lib}/aarch64-linux-gnu/"$name"; do
        [[ -e $from ]] && break
      done
      cp -L "$from" "$folder/lib/$name"
      copy_needed "$folder/lib/$name"
    done
}
copy_needed "$folder/lib/weft"

cat >"$folder/weft" <<'END'
#!/bin/sh
# Starts weft with the libraries beside it.
lib=$(dirname "$(readlink -f "$0")")/lib
exec "$lib/ld-linux-aarch64.so.1" --library-path "$lib" "$lib/weft" "$@"
END
chmod +x "$folder/weft"
tar -C "$build" -czf "$build/weft-aarch64.tar.gz" weft-aarch64
du -h "$build/weft-aarch64.tar.gz"
