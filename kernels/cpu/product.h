// Products of activations with panels of weights, cut into chunks for the threads of a pool.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_weight.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"

namespace weft::kernels {

// out[r, :] = x[r, :] * panels^T
struct Product {
  const CpuWeight* weight;
  MatmulFunction function;
  uint32_t tile_rows;  // of x that the function takes at most
  uint32_t first_row, out_cols;  // of the weight
  const uint8_t* x;   // prepared for the weight's type
  uint64_t x_stride;
  uint32_t rows;
  float* out;
  const uint32_t* out_rows;  // [rows]: where in `out` each row goes; null: in order
  uint64_t out_stride;       // floats
};

// Runs them all. A chunk has about `chunk_bytes` of weights.
class ProductRun {
 public:
  void clear();
  void add(const Product& product, uint64_t chunk_bytes);
  // `nearly_done` may be null.
  void run(ThreadPool& pool, const NearlyDone* nearly_done);

 private:
  void run_chunk(uint32_t chunk) const;

  struct Chunked {
    Product product;
    uint32_t first_panel, end_panel;
    uint32_t first_chunk, panels_per_chunk;
  };
  std::vector<Chunked> products_;
  uint32_t chunks_ = 0;
};

// Bytes of a chunk of weights that take `weight_bytes` in all.
uint64_t product_chunk_bytes(uint64_t weight_bytes, uint32_t rows, uint32_t threads);

}  // namespace weft::kernels
