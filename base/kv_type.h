// How keys and values are kept: a user asks for it, a plan carries it to every stage, caches are
// made of it and the planner counts their bytes.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace weft {

// The numbers are those of the wire, where f16 is what a plan that does not say means, and of
// kernels/vulkan/shaders/kv.glsl.
// kQ8_0: int8 codes and an f16 scale for every 32 elements of a head (kernels/kv_quantize.h).
enum class KvType : uint8_t { kF16, kF32, kQ8_0 };
inline constexpr uint8_t kKvTypes = 3;

// "f32", "f16", "q8_0"; kInvalid says so.
Result<KvType> parse_kv_type(std::string_view name);
std::string_view kv_type_name(KvType type);

// Bytes of one head's key, or value, of one position.
uint64_t kv_head_bytes(KvType type, uint64_t head_dim);

}  // namespace weft
