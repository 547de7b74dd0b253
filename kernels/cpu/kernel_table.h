// KernelTable: the inner loops of the cpu backend, one table per instruction set. A table is chosen
// once, when the backend is made; all loops of a process come from one table.
//
// Files named *_avx2.cc, *_neon.cc and so on are compiled for that instruction set, *_float8.cc for
// AVX2 or NEON. They include this header, the layouts and the intrinsics only: an inline function
// of the standard library compiled there could be picked by the linker for the whole program and
// end it on an older processor.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::kernels {

// Activations, quantized to int8: value = scale * code, |code| <= 127.
// For weights in blocks of 32 (Q4_0 to Q8_0, IQ4_NL, MXFP4).
struct ActivationBlock32 {
  float scale;
  int32_t sum;  // of the codes
  int8_t codes[32];
};
static_assert(sizeof(ActivationBlock32) == 40);

// For weights in blocks of 256 (Q4_K, Q5_K, Q6_K, IQ4_XS).
struct ActivationBlock256 {
  float scale;
  float unused[3];
  int16_t sums32[8];   // of the codes of each 32
  int16_t sums16[16];  // of the codes of each 16
  int8_t codes[256];
};
static_assert(sizeof(ActivationBlock256) == 320);

// Rows of x that one tile of a product takes at most: see KernelTable::tile_rows.
inline constexpr uint32_t kTileRowsMax = 8;
// Of loops that take a panel, and of those that take a twin (kernels/cpu/panel.h).
inline constexpr uint32_t kPanelTileRows = 4;
inline constexpr uint32_t kTwinTileRows = 8;

// out[r, lane] = sum over k of x[r, k] * panel[lane, k], for the 8 lanes of a panel or the 16 of a
// twin. The order of the sum depends on k only: any number of rows gives the same bits per row.
struct MatmulTile {
  const uint8_t* panel;  // or a twin
  const uint8_t* x;      // rows of floats, ActivationBlock32 or ActivationBlock256
  uint64_t x_stride;     // bytes from row to row
  uint32_t cols;
  float* out;           // a float of each lane for each row
  uint64_t out_stride;  // floats from row to row
};
using MatmulFunction = void (*)(const MatmulTile& tile, uint32_t x_rows);

inline constexpr uint32_t kHeadDimMax = 512;
inline constexpr uint32_t kSharedHeadsMax = 8;
// A task's queries are rows times heads: so many, and so many floats unless it has one row only. A
// page and what is kept of the queries then fit a first-level cache together.
inline constexpr uint32_t kQueriesMax = 32;
inline constexpr uint32_t kQueryFloatsMax = 2048;

// A row's part of a task. Positions count from the beginning of the task's first page.
struct AttentionRow {
  uint32_t begin, end;  // the positions it attends to, one at least
  const float* q;       // [heads, head_dim]
  float* out;           // [heads, head_dim]
};

// softmax(scale * q k^T) v of rows of one session, neither begins nor ends falling, for heads that
// share one kv head. Bits of a row do not depend on the others.
// A page holds, per kv head, keys transposed as [head_dim][kPageTokens] and then values as
// [kPageTokens][value_stride]; see kernels/cpu/kv_store.h.
struct AttentionTask {
  const uint8_t* first_page;  // this layer's and head's part of page 0
  uint64_t page_stride;       // bytes
  const uint32_t* pages;      // the session's, in order, from the first that a row attends to
  const AttentionRow* rows;
  uint32_t row_count;
  uint32_t head_dim;
  uint32_t value_stride;  // elements; head_dim rounded up to 8
  uint32_t heads;         // 1..kSharedHeadsMax
  float scale;
  float soft_cap;      // scores s become cap tanh(s / cap); 0: they stay
  const float* sinks;  // [heads], scores that have no value; null: none
  // A q8_0 cache: turns a page into one of floats, at `expanded`. Null otherwise.
  void (*expand)(const uint8_t* page, uint32_t head_dim, uint32_t value_stride, float* expanded);
  float* expanded;
};

// The task's page `index`, as its attend function reads it.
static inline const uint8_t* attention_page(const AttentionTask& task, uint32_t index) {
  const uint8_t* page = task.first_page + uint64_t{task.pages[index]} * task.page_stride;
  if (task.expand == nullptr) return page;
  task.expand(page, task.head_dim, task.value_stride, task.expanded);
  return reinterpret_cast<const uint8_t*>(task.expanded);
}

// Stores one row's key and value of one head at `slot` of a page.
struct KvAppend {
  uint8_t* page;  // this layer's and head's part of the page
  uint32_t slot;  // 0..kPageTokens-1
  uint32_t head_dim;
  uint32_t value_stride;  // elements
  const float* key;       // [head_dim]
  const float* value;
};

// The parts of one head's q8_0 page, all of 32 positions: codes of keys [head_dim][32] and of
// values [32][value_stride], then f16 scales of keys [blocks][32] and of values [32][blocks], a
// block being 32 elements of the head.
struct QuantizedPage {
  uint32_t blocks;
  uint64_t values_at, key_scales_at, value_scales_at, bytes;
};
static inline QuantizedPage quantized_page(uint32_t head_dim, uint32_t value_stride) {
  const uint32_t blocks = (head_dim + 31) / 32;
  const uint64_t values_at = uint64_t{32} * head_dim;
  const uint64_t key_scales_at = values_at + uint64_t{32} * value_stride;
  const uint64_t value_scales_at = key_scales_at + uint64_t{64} * blocks;
  return {blocks, values_at, key_scales_at, value_scales_at, value_scales_at + 64 * blocks};
}

struct KernelTable {
  const char* name;
  bool takes_twins;    // the products below take twins, not panels
  uint32_t tile_rows;  // of x that they take at most, kTileRowsMax or less

  MatmulFunction matmul_f32, matmul_f16, matmul_bf16;  // x: floats
  // x: ActivationBlock32
  MatmulFunction matmul_q8_0, matmul_q4_0, matmul_q4_1, matmul_q5_0, matmul_q5_1;
  MatmulFunction matmul_iq4_nl, matmul_mxfp4;
  // x: ActivationBlock256
  MatmulFunction matmul_q4_k, matmul_q5_k, matmul_q6_k, matmul_iq4_xs;

  // cols is a multiple of the block.
  void (*quantize_32)(const float* x, uint32_t cols, ActivationBlock32* out);
  void (*quantize_256)(const float* x, uint32_t cols, ActivationBlock256* out);

  void (*rms_norm)(float* out, const float* x, const float* weight, uint32_t dim, float epsilon);
  // Rotates one head in place; cosines and sines are [dims / 2] of its position.
  void (*rope)(float* head, const float* cosines, const float* sines, uint32_t dims,
               bool interleaved);
  // model::Activation, by name.
  void (*glu_silu)(float* out, const float* gate, const float* up, size_t count);
  void (*glu_gelu)(float* out, const float* gate, const float* up, size_t count);
  void (*glu_clamped_silu)(float* out, const float* gate, const float* up, size_t count);
  void (*soft_cap)(float* x, size_t count, float cap);
  void (*add)(float* x, const float* y, size_t count);

  void (*append_f32)(const KvAppend& append);
  void (*append_f16)(const KvAppend& append);
  // For a q8_0 cache, whose pages are attended to as expanded ones of floats.
  void (*append_q8_0)(const KvAppend& append);
  void (*expand_q8_0)(const uint8_t* page, uint32_t head_dim, uint32_t value_stride,
                      float* expanded);
  void (*attend_f32)(const AttentionTask& task);
  void (*attend_f16)(const AttentionTask& task);
};

// Plain C++ for any processor.
const KernelTable& scalar_kernels();
// The tables below are null where this build has none. They are to be asked for only if the
// processor has their instruction set: see choose_table.h. AVX2 with FMA and F16C.
const KernelTable* avx2_kernels();
// AVX2's, and AVX-VNNI (VNNI in 256 bits).
const KernelTable* avxvnni_kernels();
// AVX2's, and AVX-512 F, BW, VL and DQ.
const KernelTable* avx512_kernels();
// AVX-512 as before, and AVX512-VNNI.
const KernelTable* avx512vnni_kernels();
#if defined(__aarch64__)
// NEON, which every aarch64 processor has; with dot products of bytes; with products of byte
// matrices as well. The three give the same bits.
const KernelTable* neon_kernels();
const KernelTable* neon_dotprod_kernels();
const KernelTable* neon_i8mm_kernels();
#endif

}  // namespace weft::kernels
