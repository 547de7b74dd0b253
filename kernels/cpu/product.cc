#include "kernels/cpu/product.h"

#include <algorithm>
#include <thread>

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

// Panels [begin, end) of the weight for `rows` rows of x from `row` on: those of the panels' rows
// that are the product's.
void run_tiles(const Product& product, uint32_t begin, uint32_t end, uint32_t row, uint32_t rows) {
  const uint32_t lanes = product.weight->panel_rows();
  const uint32_t end_row = product.first_row + product.out_cols;
  for (uint32_t p = begin; p < end; ++p) {
    const uint32_t from = std::max(p * lanes, product.first_row);
    const uint32_t to = std::min((p + 1) * lanes, end_row);
    float* out = product.out + from - product.first_row;
    MatmulTile tile{product.weight->panel(p), product.x + row * product.x_stride, product.x_stride,
                    product.weight->cols(), out + uint64_t{row} * product.out_stride,
                    product.out_stride};
    if (to - from == lanes && product.out_rows == nullptr) {
      product.function(tile, rows);
      continue;
    }
    float apart[kTileRowsMax * kTwinRows];
    tile.out = apart;
    tile.out_stride = lanes;
    product.function(tile, rows);
    for (uint32_t r = 0; r < rows; ++r) {
      const uint64_t out_row = product.out_rows ? product.out_rows[row + r] : row + r;
      std::copy_n(apart + r * lanes + (from - p * lanes), to - from,
                  out + out_row * product.out_stride);
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
  chunks_ = 0;
}

void ProductRun::add(const Product& product, uint64_t chunk_bytes) {
  const uint32_t lanes = product.weight->panel_rows();
  const uint32_t first = product.first_row / lanes;
  const uint32_t end = (product.first_row + product.out_cols + lanes - 1) / lanes;
  const uint32_t per_chunk =
      uint32_t(std::max<uint64_t>(1, chunk_bytes / product.weight->panel_bytes()));
  products_.push_back({product, first, end, chunks_, per_chunk});
  chunks_ += (end - first + per_chunk - 1) / per_chunk;
}

void ProductRun::run(ThreadPool& pool, const NearlyDone* nearly_done) {
  if (!nearly_done) return pool.parallel_for(chunks_, [this](uint32_t chunk) { run_chunk(chunk); });
  const SystemClock clock;
  const Time begin = clock.now();
  const std::thread::id caller = std::this_thread::get_id();
  bool told = false;  // the caller's alone
  pool.parallel_for(chunks_, [&](uint32_t chunk) {
    // Chunks are taken in order: so many have been, at the speed of those the rest will be.
    if (std::this_thread::get_id() == caller && !told) {
      const uint32_t left = chunks_ - chunk;
      told = left <= pool.threads() || (clock.now() - begin) * left <= kNearlyDone * chunk;
      if (told) (*nearly_done)();
    }
    run_chunk(chunk);
  });
}

void ProductRun::run_chunk(uint32_t chunk) const {
  const auto after = [](uint32_t at, const Chunked& chunked) { return at < chunked.first_chunk; };
  const Chunked& chunked =
      *(std::upper_bound(products_.begin(), products_.end(), chunk, after) - 1);
  const Product& product = chunked.product;
  const uint32_t begin =
      chunked.first_panel + (chunk - chunked.first_chunk) * chunked.panels_per_chunk;
  const uint32_t end = std::min(chunked.end_panel, begin + chunked.panels_per_chunk);
  for (uint32_t row = 0; row < product.rows; row += product.tile_rows) {
    run_tiles(product, begin, end, row, std::min(product.tile_rows, product.rows - row));
  }
}

}  // namespace weft::kernels
