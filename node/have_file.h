// The `.have` file beside a fetched model: its manifest, its name and which items are verified.
//
//   "WFTH1", model id (32), file bytes u64, header bytes u64, name (u32 length, text),
//   tensor count u32, digest (32) of each, item count u32, each item u32,
//   BLAKE2b-256 (32) of all before
// Numbers are little-endian.
#pragma once

#include "base/bytes.h"
#include "node/model_store.h"

namespace weft::node {

Bytes have_bytes(const StoredModel& stored);

// Manifest, its digest, name and items; the rest is the caller's. kCorrupt: the file was cut or
// changed, or is none of these.
Result<StoredModel> parse_have(ByteView bytes);

}  // namespace weft::node
