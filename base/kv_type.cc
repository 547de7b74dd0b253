#include "base/kv_type.h"

#include "base/text.h"

namespace weft {

Result<KvType> parse_kv_type(std::string_view name) {
  for (const KvType type : {KvType::kF16, KvType::kF32, KvType::kQ8_0}) {
    if (name == kv_type_name(type)) return type;
  }
  return Error(ErrorCode::kInvalid,
               cat("unknown KV cache type '", printable(name), "'; use f32, f16 or q8_0"));
}

std::string_view kv_type_name(KvType type) {
  switch (type) {
    case KvType::kF16: return "f16";
    case KvType::kF32: return "f32";
    case KvType::kQ8_0: return "q8_0";
  }
  return "unknown";
}

uint64_t kv_head_bytes(KvType type, uint64_t head_dim) {
  switch (type) {
    case KvType::kF16: return 2 * head_dim;
    case KvType::kF32: return 4 * head_dim;
    case KvType::kQ8_0: return head_dim + sizeof(uint16_t) * ((head_dim + 31) / 32);
  }
  return 0;
}

}  // namespace weft
