#include "kernels/cpu/cpu_backend.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"
#include "kernels/cpu/choose_table.h"
#include "kernels/cpu/kv_store.h"
#include "kernels/cpu/panel.h"
#include "kernels/operation_timer.h"

namespace weft::kernels {
namespace {

using model::TensorType;

constexpr size_t kTargetsMax = 8;
// A chunk of a product's weights. While a prompt's rows pass over it, it must stay in the
// second-level cache. For few rows a longer one is read faster, as the processor's prefetcher
// begins anew at each; but every thread should have kChunksPerThread, to even out interruptions.
constexpr uint64_t kChunkBytesMin = 64 * 1024;
constexpr uint64_t kChunkBytesMax = 256 * 1024;
constexpr uint32_t kStreamRowsMax = 8;
constexpr uint64_t kChunksPerThread = 4;
// Elementwise work below this is done by the caller: waking others would cost more.
constexpr size_t kSplitFloats = 16 * 1024;
constexpr uint32_t kPrepareRowsInParallel = 4;

class CpuBuffer final : public Buffer {
 public:
  CpuBuffer(size_t floats, MappedMemory memory) : Buffer(floats), memory_(std::move(memory)) {}
  float* data() { return reinterpret_cast<float*>(memory_.data()); }
  const float* data() const { return reinterpret_cast<const float*>(memory_.data()); }

 private:
  MappedMemory memory_;
};

float* floats(Buffer& buffer, size_t count) {
  WEFT_ASSERT(count <= buffer.size());
  return static_cast<CpuBuffer&>(buffer).data();
}

const float* floats(const Buffer& buffer, size_t count) {
  WEFT_ASSERT(count <= buffer.size());
  return static_cast<const CpuBuffer&>(buffer).data();
}

const CpuWeight& cpu_weight(const Weight& weight) {
  return static_cast<const CpuWeight&>(weight);
}

// One target of a product, cut into chunks of panels.
struct MatmulPlan {
  const CpuWeight* weight;
  MatmulFunction function;
  const uint8_t* x;
  uint64_t x_stride;
  float* out;
  uint32_t panels_per_chunk;
  uint32_t first_chunk;  // among the chunks of all targets
};

uint64_t chunk_bytes(std::span<const MatmulTarget> targets, uint32_t rows, uint32_t threads) {
  if (rows > kStreamRowsMax) return kChunkBytesMin;
  uint64_t bytes = 0;
  for (const MatmulTarget& target : targets) bytes += target.weight->bytes();
  return std::clamp(bytes / (kChunksPerThread * threads), kChunkBytesMin, kChunkBytesMax);
}

void run_chunk(const MatmulPlan& plan, uint32_t chunk, uint32_t rows) {
  const CpuWeight& weight = *plan.weight;
  const uint32_t panels = panel_count(weight.rows());
  const uint32_t begin = chunk * plan.panels_per_chunk;
  const uint32_t end = std::min(panels, begin + plan.panels_per_chunk);
  for (uint32_t row = 0; row < rows; row += kTileRows) {
    const uint32_t tile_rows = std::min(kTileRows, rows - row);
    for (uint32_t p = begin; p < end; ++p) {
      float* out = plan.out + uint64_t{row} * weight.rows() + p * kPanelRows;
      MatmulTile tile{
          weight.panel(p), plan.x + row * plan.x_stride, plan.x_stride, weight.cols(), out,
          weight.rows()};
      const uint32_t lanes = std::min(kPanelRows, weight.rows() - p * kPanelRows);
      if (lanes == kPanelRows) {
        plan.function(tile, tile_rows);
        continue;
      }
      float padded[kTileRows * kPanelRows];
      tile.out = padded;
      tile.out_stride = kPanelRows;
      plan.function(tile, tile_rows);
      for (uint32_t r = 0; r < tile_rows; ++r) {
        std::copy_n(padded + r * kPanelRows, lanes, out + uint64_t{r} * weight.rows());
      }
    }
  }
}

}  // namespace

CpuBackend::CpuBackend(const KernelTable& table, std::unique_ptr<ThreadPool> pool)
    : table_(table), pool_(std::move(pool)) {
  const uint32_t threads = pool_->threads();
  detail_ = cat(table.name, ", ", threads, threads == 1 ? " thread" : " threads");
}

Result<std::unique_ptr<Weight>> CpuBackend::load(const TensorView& tensor, WeightUse use) {
  WEFT_TRY(std::unique_ptr<Weight> weight, CpuWeight::load(tensor, use, *pool_));
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

template <typename Body>
void CpuBackend::split(size_t count, size_t step, Body body) {
  if (count <= kSplitFloats) return body(size_t{0}, count);
  const size_t run = std::max<size_t>(step, kSplitFloats / 2 / step * step);
  const uint32_t chunks = uint32_t((count + run - 1) / run);
  pool_->parallel_for(
      chunks, [&](uint32_t chunk) { body(chunk * run, std::min(count, (chunk + 1) * run)); });
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

void CpuBackend::embed(Buffer& out, const Weight& table, std::span<const TokenId> tokens) {
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

CpuBackend::XForm CpuBackend::x_form(TensorType type) {
  switch (model::tensor_type_info(type).block_elements) {
    case 32:
      return XForm::kBlocks32;
    case 256:
      return XForm::kBlocks256;
    default:
      return XForm::kFloats;
  }
}

MatmulFunction CpuBackend::matmul_function(TensorType type) const {
  switch (type) {
    case TensorType::kF32:
      return table_.matmul_f32;
    case TensorType::kF16:
      return table_.matmul_f16;
    case TensorType::kBF16:
      return table_.matmul_bf16;
    case TensorType::kQ8_0:
      return table_.matmul_q8_0;
    case TensorType::kQ4_0:
      return table_.matmul_q4_0;
    case TensorType::kQ4_K:
      return table_.matmul_q4_k;
    case TensorType::kQ5_K:
      return table_.matmul_q5_k;
    case TensorType::kQ6_K:
      return table_.matmul_q6_k;
    default:
      break;  // kept as one of the others: repack.h
  }
  WEFT_ASSERT(!"a type that has panels");
  return nullptr;
}

CpuBackend::PreparedX CpuBackend::prepared(XForm form, const float* x, uint32_t cols) const {
  switch (form) {
    case XForm::kBlocks32:
      return {blocks32_.data(), uint64_t{cols / 32} * sizeof(ActivationBlock32)};
    case XForm::kBlocks256:
      return {blocks256_.data(), uint64_t{cols / 256} * sizeof(ActivationBlock256)};
    default:
      return {reinterpret_cast<const uint8_t*>(x), uint64_t{cols} * sizeof(float)};
  }
}

bool CpuBackend::prepare(XForm form, const float* x, uint32_t rows, uint32_t cols) {
  if (form == XForm::kFloats) return true;
  const uint64_t stride = prepared(form, x, cols).stride;
  MappedMemory& scratch = form == XForm::kBlocks32 ? blocks32_ : blocks256_;
  if (!reserve(scratch, rows * stride)) return false;
  auto quantize_row = [&](uint32_t row) {
    const float* from = x + uint64_t{row} * cols;
    uint8_t* to = scratch.data() + row * stride;
    if (form == XForm::kBlocks32) {
      table_.quantize_32(from, cols, reinterpret_cast<ActivationBlock32*>(to));
    } else {
      table_.quantize_256(from, cols, reinterpret_cast<ActivationBlock256*>(to));
    }
  };
  if (rows >= kPrepareRowsInParallel) {
    pool_->parallel_for(rows, quantize_row);
  } else {
    for (uint32_t row = 0; row < rows; ++row) quantize_row(row);
  }
  return true;
}

void CpuBackend::matmul(std::span<const MatmulTarget> targets, const Buffer& x, uint32_t rows) {
  const OperationTimer timer(observer_, "matmul");
  WEFT_ASSERT(!targets.empty() && targets.size() <= kTargetsMax);
  if (rows == 0) return;
  const uint32_t cols = targets[0].weight->cols();
  const float* from = floats(x, size_t{rows} * cols);
  std::array<MatmulPlan, kTargetsMax> plans;
  std::array<bool, 3> ready{};
  uint32_t chunks = 0;
  const uint64_t wanted_bytes = chunk_bytes(targets, rows, pool_->threads());
  for (size_t i = 0; i < targets.size(); ++i) {
    const CpuWeight& weight = cpu_weight(*targets[i].weight);
    WEFT_ASSERT(weight.has_panels() && weight.cols() == cols);
    const XForm form = x_form(weight.type());
    bool& is_ready = ready[size_t(form)];
    if (!is_ready && !prepare(form, from, rows, cols)) return;
    is_ready = true;
    const PreparedX form_x = prepared(form, from, cols);
    const uint32_t panels = panel_count(weight.rows());
    const uint32_t per_chunk =
        uint32_t(std::max<uint64_t>(1, wanted_bytes / weight.panel_bytes()));
    float* out = floats(*targets[i].out, size_t{rows} * weight.rows());
    plans[i] = {&weight, matmul_function(weight.type()), form_x.rows, form_x.stride, out, per_chunk,
                chunks};
    chunks += (panels + per_chunk - 1) / per_chunk;
  }
  pool_->parallel_for(chunks, [&](uint32_t chunk) {
    size_t i = targets.size() - 1;
    while (plans[i].first_chunk > chunk) --i;
    run_chunk(plans[i], chunk - plans[i].first_chunk, rows);
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
      WEFT_ASSERT(position / kPageTokens < rows[row].pages.size());
      const uint32_t page = rows[row].pages[position / kPageTokens];
      WEFT_ASSERT(page < shape.page_count);
      for (uint32_t h = 0; h < shape.kv_head_count; ++h) {
        const size_t at = row * row_floats + size_t{h} * shape.head_dim;
        append({store.head(layer, page, h), position % kPageTokens, shape.head_dim,
                store.value_stride(), keys + at, values + at});
      }
    }
  });
}

void CpuBackend::attention(Buffer& out, const Buffer& q, const KvStore& kv, uint32_t layer,
                           std::span<const KvRow> rows, const AttentionParams& params) {
  const OperationTimer timer(observer_, "attention");
  const auto& store = static_cast<const CpuKvStore&>(kv);
  const KvShape& shape = store.shape();
  WEFT_ASSERT(layer < shape.layer_count && params.kv_head_count == shape.kv_head_count &&
              params.head_dim == shape.head_dim && params.head_count % params.kv_head_count == 0);
  const uint32_t shared = params.head_count / params.kv_head_count;
  const size_t row_floats = size_t{params.head_count} * params.head_dim;
  const float* queries = floats(q, rows.size() * row_floats);
  float* results = floats(out, rows.size() * row_floats);
  const bool quantized = shape.type == KvType::kQ8_0;
  const auto attend = shape.type == KvType::kF16 ? table_.attend_f16 : table_.attend_f32;
  for (const KvRow& row : rows) {
    WEFT_ASSERT(row.position / kPageTokens < row.pages.size());
    for (uint32_t page : row.pages) WEFT_ASSERT(page < shape.page_count);
  }
  // Head by head, so that the rows of a prompt find a head's pages in the cache.
  const uint32_t row_count = uint32_t(rows.size());
  pool_->parallel_for(row_count * params.kv_head_count, [&](uint32_t chunk) {
    const uint32_t kv_head = chunk / row_count;
    const KvRow& row = rows[chunk % row_count];
    alignas(64) float expanded[kPageTokens * 2 * kHeadDimMax];  // touched for q8_0 only
    for (uint32_t done = 0; done < shared; done += kSharedHeadsMax) {
      const size_t at =
          chunk % row_count * row_floats + (size_t{kv_head} * shared + done) * params.head_dim;
      attend({store.head(layer, 0, kv_head), store.page_stride(), row.pages.data(),
              row.position + 1, params.head_dim, store.value_stride(),
              std::min(kSharedHeadsMax, shared - done), params.scale, queries + at, results + at,
              quantized ? table_.expand_q8_0 : nullptr, expanded});
    }
  });
}

void CpuBackend::swiglu(Buffer& out, const Buffer& gate, const Buffer& up, size_t count) {
  const OperationTimer timer(observer_, "swiglu");
  float* to = floats(out, count);
  const float* gates = floats(gate, count);
  const float* ups = floats(up, count);
  split(count, 64, [&](size_t begin, size_t end) {
    table_.swiglu(to + begin, gates + begin, ups + begin, end - begin);
  });
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
