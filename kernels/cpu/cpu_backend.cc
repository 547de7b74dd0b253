#include "kernels/cpu/cpu_backend.h"

#include <algorithm>
#include <atomic>

#include "base/text.h"
#include "kernels/cpu/best_logits.h"
#include "kernels/cpu/choose_table.h"
#include "kernels/cpu/cpu_buffer.h"
#include "kernels/cpu/kv_store.h"
#include "kernels/operation_timer.h"
#include "model/token_weight.h"

namespace weft::kernels {

CpuBackend::CpuBackend(const KernelTable& table, std::unique_ptr<ThreadPool> pool)
    : table_(table), pool_(std::move(pool)) {
  const uint32_t threads = pool_->threads();
  detail_ = cat(table.name, ", ", threads, threads == 1 ? " thread" : " threads");
}

Result<std::unique_ptr<Weight>> CpuBackend::load(const TensorView& tensor, WeightUse use) {
  WEFT_TRY(std::unique_ptr<Weight> weight,
           CpuWeight::load(tensor, use, *pool_, table_.takes_twins));
  return weight;
}

Result<std::unique_ptr<Buffer>> CpuBackend::allocate(size_t count) {
  if (count > SIZE_MAX / sizeof(float)) {
    return Error(ErrorCode::kExhausted, cat("a buffer of ", count, " floats fits no machine"));
  }
  WEFT_TRY(MappedMemory memory, MappedMemory::create(count * sizeof(float)));
  return std::unique_ptr<Buffer>(std::make_unique<CpuBuffer>(count, std::move(memory)));
}

Result<std::unique_ptr<KvStore>> CpuBackend::allocate_kv(const KvShape& shape) {
  WEFT_TRY(std::unique_ptr<KvStore> store, CpuKvStore::create(shape));
  return store;
}

void CpuBackend::write(Buffer& to, std::span<const float> from) {
  std::copy(from.begin(), from.end(), floats(to, from.size()));
}

void CpuBackend::read(std::span<float> to, const Buffer& from) {
  std::copy_n(floats(from, to.size()), to.size(), to.begin());
}

bool CpuBackend::reserve(MappedMemory& scratch, uint64_t bytes) {
  if (scratch.size() >= bytes) return true;
  scratch = {};
  auto grown = MappedMemory::create(bytes);
  if (!grown.ok()) {
    failed_ = true;
    return false;
  }
  scratch = *std::move(grown);
  return true;
}

void CpuBackend::embed(Buffer& out, const Weight& table, std::span<const TokenId> tokens,
                       float scale) {
  const OperationTimer timer(observer_, "embed");
  const CpuWeight& weight = cpu_weight(table);
  const size_t cols = weight.cols();
  float* to = floats(out, tokens.size() * cols);
  const uint32_t count = uint32_t(tokens.size());
  if (!reserve(row_scratch_, count * weight.row_bytes())) return;
  split(count * cols, cols, [&](size_t begin, size_t end) {
    for (size_t t = begin / cols; t < end / cols; ++t) {
      weight.read_row(tokens[t], {to + t * cols, cols},
                      {row_scratch_.data() + t * weight.row_bytes(), weight.row_bytes()});
      if (scale == 1) continue;
      for (size_t i = t * cols; i < (t + 1) * cols; ++i) to[i] *= scale;
    }
  });
}

void CpuBackend::rms_norm(Buffer& out, const Buffer& x, const Weight& weight, uint32_t rows,
                          float epsilon) {
  const OperationTimer timer(observer_, "rms_norm");
  const std::span<const float> factors = cpu_weight(weight).values();
  const size_t dim = factors.size();
  const float* from = floats(x, rows * dim);
  float* to = floats(out, rows * dim);
  split(rows * dim, dim, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; i += dim) {
      table_.rms_norm(to + i, from + i, factors.data(), uint32_t(dim), epsilon);
    }
  });
}

void CpuBackend::rope(Buffer& x, uint32_t rows, uint32_t heads, uint32_t head_dim,
                      const RopeTable& table, std::span<const uint32_t> positions) {
  const OperationTimer timer(observer_, "rope");
  WEFT_ASSERT(positions.size() == rows && table.dims <= head_dim);
  const size_t row_floats = size_t{heads} * head_dim;
  const size_t half = table.dims / 2;
  float* values = floats(x, rows * row_floats);
  split(rows * row_floats, row_floats, [&](size_t begin, size_t end) {
    for (size_t row = begin / row_floats; row < end / row_floats; ++row) {
      const size_t at = positions[row] * half;
      WEFT_ASSERT(at + half <= table.cosines.size());
      for (uint32_t h = 0; h < heads; ++h) {
        table_.rope(values + row * row_floats + size_t{h} * head_dim, table.cosines.data() + at,
                    table.sines.data() + at, table.dims, table.interleaved);
      }
    }
  });
}

void CpuBackend::append_kv(KvStore& kv, uint32_t layer, const Buffer& k, const Buffer& v,
                           std::span<const KvRow> rows) {
  const OperationTimer timer(observer_, "append_kv");
  auto& store = static_cast<CpuKvStore&>(kv);
  const KvShape& shape = store.shape();
  WEFT_ASSERT(layer < shape.layer_count);
  const size_t row_floats = size_t{shape.kv_head_count} * shape.head_dim;
  const float* keys = floats(k, rows.size() * row_floats);
  const float* values = floats(v, rows.size() * row_floats);
  const auto append = shape.type == KvType::kF32   ? table_.append_f32
                      : shape.type == KvType::kF16 ? table_.append_f16
                                                   : table_.append_q8_0;
  split(rows.size() * row_floats, row_floats, [&](size_t begin, size_t end) {
    for (size_t row = begin / row_floats; row < end / row_floats; ++row) {
      const uint32_t position = rows[row].position;
      const uint32_t page = rows[row].page_of(position);
      WEFT_ASSERT(page < shape.page_count);
      for (uint32_t h = 0; h < shape.kv_head_count; ++h) {
        const size_t at = row * row_floats + size_t{h} * shape.head_dim;
        append({store.head(layer, page, h), position % kPageTokens, shape.head_dim,
                store.value_stride(), keys + at, values + at});
      }
    }
  });
}

void CpuBackend::glu(model::Activation activation, Buffer& out, const Buffer& gate,
                     const Buffer& up, size_t count) {
  const OperationTimer timer(observer_, "glu");
  const auto loop = activation == model::Activation::kSilu   ? table_.glu_silu
                    : activation == model::Activation::kGelu ? table_.glu_gelu
                                                             : table_.glu_clamped_silu;
  float* to = floats(out, count);
  const float* gates = floats(gate, count);
  const float* ups = floats(up, count);
  split(count, 64, [&](size_t begin, size_t end) {
    loop(to + begin, gates + begin, ups + begin, end - begin);
  });
}

void CpuBackend::soft_cap(Buffer& x, float cap, size_t count) {
  const OperationTimer timer(observer_, "soft_cap");
  float* values = floats(x, count);
  split(count, 64,
        [&](size_t begin, size_t end) { table_.soft_cap(values + begin, end - begin, cap); });
}

void CpuBackend::add(Buffer& x, const Buffer& y, size_t count) {
  const OperationTimer timer(observer_, "add");
  float* to = floats(x, count);
  const float* from = floats(y, count);
  split(count, 64,
        [&](size_t begin, size_t end) { table_.add(to + begin, from + begin, end - begin); });
}

void CpuBackend::add_bias(Buffer& x, const Weight& bias, uint32_t rows) {
  const OperationTimer timer(observer_, "add_bias");
  const size_t cols = bias.cols();
  float* to = floats(x, rows * cols);
  const float* from = cpu_weight(bias).values().data();
  for (uint32_t row = 0; row < rows; ++row) table_.add(to + row * cols, from, cols);
}

void CpuBackend::gather_rows(Buffer& to, const Buffer& from, uint32_t cols,
                             std::span<const uint32_t> indices) {
  const OperationTimer timer(observer_, "gather_rows");
  float* out = floats(to, indices.size() * cols);
  const float* rows = floats(from, 0);
  for (size_t i = 0; i < indices.size(); ++i) {
    WEFT_ASSERT((size_t{indices[i]} + 1) * cols <= from.size());
    std::copy_n(rows + size_t{indices[i]} * cols, cols, out + i * cols);
  }
}

void CpuBackend::best_logits(Buffer& best, const Buffer& logits, uint32_t rows, uint32_t cols,
                             uint32_t count) {
  const OperationTimer timer(observer_, "best_logits");
  float* to = floats(best, size_t{rows} * 2 * count);
  const float* from = floats(logits, size_t{rows} * cols);
  split(size_t{rows} * cols, cols, [&](size_t begin, size_t end) {
    for (size_t row = begin / cols; row < end / cols; ++row) {
      best_of_row({to + row * 2 * count, size_t{2} * count}, {from + row * cols, cols});
    }
  });
}

void CpuBackend::total_weights(Buffer& totals, const Buffer& logits, const Buffer& best,
                               uint32_t rows, uint32_t cols, uint32_t count,
                               std::span<const float> scales) {
  const OperationTimer timer(observer_, "total_weights");
  float* to = floats(totals, size_t{3} * rows);
  const float* from = floats(logits, size_t{rows} * cols);
  const float* tops = floats(best, size_t{rows} * 2 * count);
  for (size_t row = 0; row < rows; ++row) {
    std::atomic<uint64_t> total{0};
    split(scales[row] > 0 ? cols : 0, 1, [&](size_t begin, size_t end) {
      total += model::total_weight({from + row * cols + begin, end - begin},
                                   tops[row * 2 * count + count], scales[row]);
    });
    const auto parts = model::split_total(total);
    std::copy(parts.begin(), parts.end(), to + 3 * row);
  }
}

Result<> CpuBackend::finish() {
  if (!failed_) return {};
  failed_ = false;
  return Error(ErrorCode::kExhausted,
               "no memory for the intermediates of a batch; free some or take smaller batches");
}

Result<std::unique_ptr<Backend>> make_cpu_backend(const CpuOptions& options) {
  const uint32_t threads = options.threads == 0 ? usable_cores() : options.threads;
  WEFT_TRY(auto pool, ThreadPool::create(std::min(threads, kPoolThreadsMax)));
  return std::unique_ptr<Backend>(
      std::make_unique<CpuBackend>(choose_table(options.force_scalar), std::move(pool)));
}

}  // namespace weft::kernels
