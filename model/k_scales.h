// The 12 bytes of a Q4_K or Q5_K block that pack eight 6-bit scales and eight 6-bit minima.
//
// Bytes 0 to 3 hold scales 0 to 3 in their low six bits, bytes 4 to 7 minima 0 to 3. Scale and
// minimum j of 4 to 7 have their low four bits in byte j + 4 (scale low, minimum high nibble) and
// their upper two bits in the upper bits of bytes j - 4 (scale) and j (minimum).
#pragma once

#include <cstdint>

namespace weft::model {

inline constexpr int kKScaleBytes = 12;
inline constexpr int kKSubBlocks = 8;

struct KScale {
  uint8_t scale;    // 0 to 63
  uint8_t minimum;  // 0 to 63
};

// Scale and minimum of sub-block `sub`, 0 to 7.
inline KScale unpack_k_scale(const uint8_t* packed, int sub) {
  if (sub < 4) return {uint8_t(packed[sub] & 63), uint8_t(packed[sub + 4] & 63)};
  return {uint8_t((packed[sub + 4] & 0xF) | packed[sub - 4] >> 6 << 4),
          uint8_t(packed[sub + 4] >> 4 | packed[sub] >> 6 << 4)};
}

// Packs all eight; the inverse of unpack_k_scale.
inline void pack_k_scales(const KScale* scales, uint8_t* packed) {
  for (int sub = 0; sub < 4; ++sub) {
    const KScale& low = scales[sub];
    const KScale& high = scales[sub + 4];
    packed[sub] = uint8_t(low.scale | high.scale >> 4 << 6);
    packed[sub + 4] = uint8_t(low.minimum | high.minimum >> 4 << 6);
    packed[sub + 8] = uint8_t((high.scale & 0xF) | (high.minimum & 0xF) << 4);
  }
}

}  // namespace weft::model
