#include "kernels/cpu/product.h"

#include <algorithm>

#include "kernels/cpu/panel.h"

namespace weft::kernels {
namespace {

// A chunk of a product's weights. While a prompt's rows pass over it, it must stay in the
// second-level cache. For few rows a longer one is read faster, as the processor's prefetcher
// begins anew at each; but every thread should have kChunksPerThread, to even out interruptions.
constexpr uint64_t kChunkBytesMin = 64 * 1024;
constexpr uint64_t kChunkBytesMax = 256 * 1024;
constexpr uint32_t kStreamRowsMax = 8;
constexpr uint64_t kChunksPerThread = 4;

// Panels [begin, end) of a product, for `rows` of its rows from `row` on.
void run_tiles(const Product& product, uint32_t begin, uint32_t end, uint32_t row, uint32_t rows) {
  for (uint32_t p = begin; p < end; ++p) {
    const uint32_t lanes = std::min(kPanelRows, product.out_cols - p * kPanelRows);
    float* out = product.out + uint64_t{row} * product.out_stride + p * kPanelRows;
    MatmulTile tile{product.weight->panel(product.first_panel + p),
                    product.x + row * product.x_stride,
                    product.x_stride,
                    product.weight->cols(),
                    out,
                    product.out_stride};
    if (lanes == kPanelRows && product.out_rows == nullptr) {
      product.function(tile, rows);
      continue;
    }
    float apart[kTileRows * kPanelRows];
    tile.out = apart;
    tile.out_stride = kPanelRows;
    product.function(tile, rows);
    for (uint32_t r = 0; r < rows; ++r) {
      const uint64_t to = product.out_rows ? product.out_rows[row + r] : row + r;
      std::copy_n(apart + r * kPanelRows, lanes,
                  product.out + to * product.out_stride + p * kPanelRows);
    }
  }
}

}  // namespace

uint64_t product_chunk_bytes(uint64_t weight_bytes, uint32_t rows, uint32_t threads) {
  if (rows > kStreamRowsMax) return kChunkBytesMin;
  return std::clamp(weight_bytes / (kChunksPerThread * threads), kChunkBytesMin, kChunkBytesMax);
}

void ProductRun::clear() {
  products_.clear();
  first_chunks_.clear();
  panels_per_chunk_.clear();
  chunks_ = 0;
}

void ProductRun::add(const Product& product, uint64_t chunk_bytes) {
  const uint32_t per_chunk =
      uint32_t(std::max<uint64_t>(1, chunk_bytes / product.weight->panel_bytes()));
  products_.push_back(product);
  first_chunks_.push_back(chunks_);
  panels_per_chunk_.push_back(per_chunk);
  chunks_ += (product.panel_count + per_chunk - 1) / per_chunk;
}

void ProductRun::run(ThreadPool& pool) {
  pool.parallel_for(chunks_, [this](uint32_t chunk) { run_chunk(chunk); });
}

void ProductRun::run_chunk(uint32_t chunk) const {
  const size_t index = size_t(std::upper_bound(first_chunks_.begin(), first_chunks_.end(), chunk) -
                              first_chunks_.begin() - 1);
  const Product& product = products_[index];
  const uint32_t begin = (chunk - first_chunks_[index]) * panels_per_chunk_[index];
  const uint32_t end = std::min(product.panel_count, begin + panels_per_chunk_[index]);
  for (uint32_t row = 0; row < product.rows; row += kTileRows) {
    run_tiles(product, begin, end, row, std::min(kTileRows, product.rows - row));
  }
}

}  // namespace weft::kernels
