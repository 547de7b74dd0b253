// Panels: the layout the cpu's matrix products read.
//
// A panel is 8 output rows. Its blocks (256 or 32 columns for quantized types, one column for float
// types) follow each other, so a product reads it in one straight pass, and one 32-bit lane belongs
// to one row: groups of 4 columns are interleaved as 8 rows x 4 bytes. A panel block takes exactly
// the bytes of 8 blocks of the file; a last panel with fewer rows is padded with zeros.
//
//   Q8_0   8 x f16 d | 8 groups of int8
//   Q4_0   8 x f16 d | 4 x 32 bytes: low nibbles are group j, high nibbles group j + 4
//   Q4_1   8 x f16 d | 8 x f16 m | nibbles as in Q4_0
//   Q5_0   8 x f16 d | 32 bytes: bit g is the fifth bit of group g | nibbles as in Q4_0
//   Q5_1   8 x f16 d | 8 x f16 m | 32 bytes and nibbles as in Q5_0
//   Q4_K   8 x f16 d | 8 x f16 dmin | 3 x 32 bytes of 6-bit scales and mins | 8 sub-blocks of 32
//          columns, each 4 x 32 bytes of nibbles as in Q4_0
//   Q5_K   as Q4_K, then 8 x 32 bytes: bit g of sub-block s's bytes is the fifth bit of group g
//   Q6_K   8 x f16 d | 4 x 32 int8 scales (4 per row) | nibbles as in Q4_K | 16 x 32 bytes: two
//          bits each for groups 0..3, then 4..7, of each sub-block
//   IQ4_NL as Q4_0
//   IQ4_XS 8 x f16 d | 8 x 16 bits of scales | 32 bytes of scales | nibbles as in Q4_K
//   MXFP4  8 x E8M0 scale | nibbles as in Q4_0
//   F32, F16, BF16   per column 8 values
//
// An instruction set that takes 16 rows at once reads twins: two panels, a group of 32 bytes (of
// halves: 16; of E8M0: 8; of float types: a column) of the first, then the same one of the second.
// So what begins at byte i of a panel begins at byte 2i of a twin.
//
// The 16 values of 6 bits (8 scales s, 8 mins m) of a row are kept in three 32-bit words:
//   word 0 = s0..s3 | bits 0-1 of m0..m3 << 6 (per byte), word 1 = s4..s7 | bits 2-3 of m0..m3 <<
//   6, word 2 = m4..m7 | bits 4-5 of m0..m3 << 6.
// Of the 8 scales of 6 bits of IQ4_XS, 32 more than they mean, a word has the nibbles: s0..s3 low,
// s4..s7 high. Two bits of each are in 16: s6 | s2 << 2 | s0 << 4 | s4 << 6 in the lower byte,
// s7 | s3 << 2 | s1 << 4 | s5 << 6 in the upper one.
// Source of the blocks themselves: the GGUF specification (ggml docs/gguf.md).
#pragma once

#include <cstdint>

#include "model/tensor_type.h"

namespace weft::kernels {

inline constexpr uint32_t kPanelRows = 8;
inline constexpr uint32_t kTwinRows = 2 * kPanelRows;
inline constexpr uint32_t kBlockElementsMax = 256;

// Where the parts of a panel block begin.
inline constexpr uint32_t kKScalesAt = 32;    // Q4_K, Q5_K
inline constexpr uint32_t kKNibblesAt = 128;  // Q4_K, Q5_K
inline constexpr uint32_t kQ5HighAt = 1152;
inline constexpr uint32_t kQ6ScalesAt = 16;
inline constexpr uint32_t kQ6NibblesAt = 144;
inline constexpr uint32_t kQ6HighAt = 1168;
inline constexpr uint32_t kSmallCodesAt = 16;  // Q8_0, IQ4_NL
inline constexpr uint32_t kXsHighAt = 16;      // IQ4_XS
inline constexpr uint32_t kXsScalesAt = 32;
inline constexpr uint32_t kXsNibblesAt = 64;
inline constexpr uint32_t kMxCodesAt = 8;
constexpr uint32_t fifth_bits_at(bool has_min) { return has_min ? 32 : 16; }  // Q5_0, Q5_1
constexpr uint32_t nibbles_at(bool has_min, bool fifth_bit) {  // Q4_0 to Q5_1
  return fifth_bits_at(has_min) + (fifth_bit ? 32 : 0);
}

// One block of one row, taken apart. Codes are the stored integers: 0..15, 0..31, 0..63 or, for
// Q8_0, int8 as bytes.
struct BlockParts {
  uint16_t d;  // MXFP4: a byte
  uint16_t dmin;  // Q4_1, Q5_1: m
  uint8_t scales[16];  // 8 of them for Q4_K, Q5_K and IQ4_XS; int8 as bytes for Q6_K
  uint8_t mins[8];
  alignas(32) uint8_t codes[kBlockElementsMax];
};

inline constexpr uint32_t panel_count(uint32_t rows) {
  return rows / kPanelRows + (rows % kPanelRows != 0 ? 1 : 0);
}
// Bytes of one panel of `cols` columns (a multiple of the type's block).
uint64_t panel_bytes(model::TensorType type, uint32_t cols);
bool is_quantized(model::TensorType type);

// Fills one zeroed panel from `row_count` (1..8) rows of the file's layout.
void pack_panel(model::TensorType type, const uint8_t* rows, uint64_t row_bytes, uint32_t row_count,
                uint32_t cols, uint8_t* panel);
// Writes row `lane` of a panel (0..7), or of a twin (0..15), back as the file's blocks, bit for bit
// what was packed.
void unpack_row(model::TensorType type, const uint8_t* panel, bool is_twin, uint32_t lane,
                uint32_t cols, uint8_t* row);
// Puts two panels together, [2 * panel_bytes]; and takes block `index` of one of them out again.
void make_twin(model::TensorType type, const uint8_t* first, const uint8_t* second, uint32_t cols,
               uint8_t* twin);
void block_of_twin(model::TensorType type, const uint8_t* twin, uint32_t half, uint64_t index,
                   uint8_t* panel_block);
// Takes row `lane` of one panel block apart (quantized types).
void read_panel_block(model::TensorType type, const uint8_t* panel_block, uint32_t lane,
                      BlockParts& parts);

}  // namespace weft::kernels
