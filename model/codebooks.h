// The codebooks of GGUF's IQ and MXFP4 types: the values that their codes stand for.
//
// An entry of a grid is a small vector. It is kept as its levels, the first in the lowest bits:
// eight of 2 bits for IQ1 and IQ2, four of 3 bits for IQ3.
// Source: the published tables of the format (ggml-common.h of github.com/ggml-org/ggml).
#pragma once

#include <bit>
#include <cstdint>

namespace weft::model {

// Levels: 8, 25, 43.
extern const uint16_t kIq2XxsGrid[256];
extern const uint16_t kIq2XsGrid[512];
extern const uint16_t kIq2SGrid[1024];
// Levels: -1, 0, 1.
extern const uint16_t kIq1Grid[2048];
// Levels: 4, 12, 20, 28, 36, 44, 52, 62.
extern const uint16_t kIq3XxsGrid[256];
// Levels: 1, 3, 5, ... 15.
extern const uint16_t kIq3SGrid[512];

inline constexpr float kIq2Levels[3] = {8, 25, 43};
inline constexpr float kIq3XxsLevels[8] = {4, 12, 20, 28, 36, 44, 52, 62};
inline constexpr float kIq3SLevels[8] = {1, 3, 5, 7, 9, 11, 13, 15};

// IQ4_NL and IQ4_XS: one value per nibble.
inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};
// MXFP4: twice the values of E2M1 (OCP Microscaling Formats v1.0, table 5).
inline constexpr int8_t kFp4Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// Eight signs packed in seven bits: the eighth makes their number even.
constexpr uint8_t even_signs(uint32_t seven_bits) {
  return uint8_t(seven_bits | (std::popcount(seven_bits) & 1) << 7);
}

}  // namespace weft::model
