#include "node/have_file.h"

#include <algorithm>
#include <cstring>

#include "crypto/hash.h"

namespace weft::node {
namespace {

constexpr std::string_view kMagic = "WFTH1";

}  // namespace

Bytes have_bytes(const StoredModel& stored) {
  ByteWriter out;
  out.append(as_bytes(kMagic)).append(stored.manifest.model.bytes);
  out.number(stored.manifest.file_bytes).number(stored.manifest.header_bytes);
  out.number(uint32_t(stored.name.size())).append(as_bytes(stored.name));
  out.number(uint32_t(stored.manifest.tensors.size()));
  for (const Digest& digest : stored.manifest.tensors) out.append(digest.bytes);
  out.number(uint32_t(stored.have.size()));
  for (const uint32_t item : stored.have) out.number(item);
  out.append(crypto::blake2b_256(out.bytes()).bytes);
  return out.take();
}

Result<StoredModel> parse_have(ByteView bytes) {
  constexpr size_t kSum = sizeof(Digest::bytes);
  if (bytes.size() < kSum) return Error(ErrorCode::kCorrupt, "too short");
  const ByteView body = bytes.first(bytes.size() - kSum);
  const Digest sum = crypto::blake2b_256(body);
  if (!std::equal(sum.bytes.begin(), sum.bytes.end(), bytes.end() - kSum)) {
    return Error(ErrorCode::kCorrupt, "its sum is wrong");
  }
  ByteReader in(body);
  StoredModel stored;
  WEFT_TRY(const ByteView magic, in.take(kMagic.size()));
  if (as_text(magic) != kMagic) return Error(ErrorCode::kCorrupt, "not such a file");
  WEFT_TRY(const ByteView id, in.take(sizeof(ModelId::bytes)));
  std::copy(id.begin(), id.end(), stored.manifest.model.bytes.begin());
  WEFT_TRY(stored.manifest.file_bytes, in.number<uint64_t>());
  WEFT_TRY(stored.manifest.header_bytes, in.number<uint64_t>());
  WEFT_TRY(const uint32_t name_bytes, in.number<uint32_t>());
  WEFT_TRY(const ByteView name, in.take(name_bytes));
  stored.name = std::string(as_text(name));
  WEFT_TRY(const uint32_t tensor_count, in.number<uint32_t>());
  WEFT_TRY(const ByteView digests, in.take(uint64_t(tensor_count) * kSum));
  stored.manifest.tensors.resize(tensor_count);
  if (tensor_count > 0) std::memcpy(stored.manifest.tensors.data(), digests.data(), digests.size());
  WEFT_TRY(const uint32_t have_count, in.number<uint32_t>());
  for (uint32_t i = 0; i < have_count; ++i) {
    WEFT_TRY(const uint32_t item, in.number<uint32_t>());
    if (item > tensor_count) return Error(ErrorCode::kCorrupt, "an item beyond the last tensor");
    stored.have.insert(item);
  }
  if (in.remaining() > 0) return Error(ErrorCode::kCorrupt, "bytes after its end");
  stored.manifest_digest = digest_of(stored.manifest.tensors);
  return stored;
}

}  // namespace weft::node
