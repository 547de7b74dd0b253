// The cpu backend's products: of all rows with whole matrices, and of rows with their experts.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/cpu_buffer.h"
#include "kernels/cpu/panel.h"
#include "kernels/operation_timer.h"

namespace weft::kernels {

using model::TensorType;

namespace {

constexpr uint32_t kPrepareRowsInParallel = 4;

uint64_t bytes_of(std::span<const MatmulTarget> targets) {
  uint64_t bytes = 0;
  for (const MatmulTarget& target : targets) bytes += target.weight->bytes();
  return bytes;
}

}  // namespace

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
    case TensorType::kQ4_1:
      return table_.matmul_q4_1;
    case TensorType::kQ5_0:
      return table_.matmul_q5_0;
    case TensorType::kQ5_1:
      return table_.matmul_q5_1;
    case TensorType::kIQ4_NL:
      return table_.matmul_iq4_nl;
    case TensorType::kMXFP4:
      return table_.matmul_mxfp4;
    case TensorType::kQ4_K:
      return table_.matmul_q4_k;
    case TensorType::kQ5_K:
      return table_.matmul_q5_k;
    case TensorType::kQ6_K:
      return table_.matmul_q6_k;
    case TensorType::kIQ4_XS:
      return table_.matmul_iq4_xs;
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
  const NearlyDone* const nearly_done = std::exchange(nearly_done_, nullptr);
  WEFT_ASSERT(!targets.empty());
  if (rows == 0) return;
  const uint32_t cols = targets[0].weight->cols();
  const float* from = floats(x, size_t{rows} * cols);
  const uint64_t chunk_bytes = product_chunk_bytes(bytes_of(targets), rows, pool_->threads());
  std::array<bool, kXForms> ready{};
  run_.clear();
  for (const MatmulTarget& target : targets) {
    const CpuWeight& weight = cpu_weight(*target.weight);
    WEFT_ASSERT(weight.has_panels() && weight.cols() == cols);
    const XForm form = x_form(weight.type());
    bool& is_ready = ready[size_t(form)];
    if (!is_ready && !prepare(form, from, rows, cols)) return;
    is_ready = true;
    const PreparedX form_x = prepared(form, from, cols);
    run_.add({.weight = &weight,
              .function = matmul_function(weight.type()),
              .tile_rows = table_.tile_rows,
              .first_row = 0,
              .out_cols = weight.rows(),
              .x = form_x.rows,
              .x_stride = form_x.stride,
              .rows = rows,
              .out = floats(*target.out, size_t{rows} * weight.rows()),
              .out_rows = nullptr,
              .out_stride = weight.rows()},
             chunk_bytes);
  }
  run_.run(*pool_, nearly_done);
}

void CpuBackend::choose_experts(Buffer& choice, const Buffer& logits, const ExpertRows& rows) {
  const OperationTimer timer(observer_, "choose_experts");
  WEFT_ASSERT(rows.used > 0 && rows.used <= rows.experts);
  float* chosen = floats(choice, size_t{rows.rows} * 2 * rows.used);
  const float* from = floats(logits, size_t{rows.rows} * rows.experts);
  for (uint32_t t = 0; t < rows.rows; ++t, chosen += 2 * rows.used, from += rows.experts) {
    // Insertion: few are kept. A logit that is no number is below all others.
    uint32_t count = 0;
    const auto below = [&](float a, float b) { return !(a >= b) && (a < b || b == b); };
    for (uint32_t e = 0; e < rows.experts; ++e) {
      uint32_t at = count;
      while (at > 0 && below(from[uint32_t(chosen[at - 1])], from[e])) --at;
      if (at == rows.used) continue;
      count = std::min(count + 1, rows.used);
      std::copy_backward(chosen + at, chosen + count - 1, chosen + count);
      chosen[at] = float(e);
    }
    float total = 0;
    const float top = from[uint32_t(chosen[0])];
    for (uint32_t i = 0; i < rows.used; ++i) {
      total += chosen[rows.used + i] = std::exp(from[uint32_t(chosen[i])] - top);
    }
    for (uint32_t i = 0; i < rows.used; ++i) chosen[rows.used + i] /= total;
  }
}

// The choices in the order of their experts, so that an expert's rows are together.
void CpuBackend::sort_choices(std::span<const float> choice, const ExpertRows& rows) {
  const uint32_t count = rows.rows * rows.used;
  expert_ends_.assign(rows.experts + 1, 0);
  choice_order_.resize(count);
  for (uint32_t at = 0; at < count; ++at) ++expert_ends_[rows.chosen(choice, at) + 1];
  for (uint32_t e = 0; e < rows.experts; ++e) expert_ends_[e + 1] += expert_ends_[e];
  for (uint32_t at = 0; at < count; ++at) {
    choice_order_[expert_ends_[rows.chosen(choice, at)]++] = at;
  }
}

void CpuBackend::matmul_experts(std::span<const MatmulTarget> targets, const Buffer& x, bool spread,
                                const Buffer& choice, const ExpertRows& rows) {
  const OperationTimer timer(observer_, "matmul_experts");
  const NearlyDone* const nearly_done = std::exchange(nearly_done_, nullptr);
  WEFT_ASSERT(!targets.empty());
  const uint32_t count = rows.rows * rows.used;
  if (count == 0) return;
  const uint32_t cols = targets[0].weight->cols();
  const uint32_t x_rows = spread ? count : rows.rows;
  const float* from = floats(x, size_t{x_rows} * cols);
  sort_choices({floats(choice, size_t{2} * count), size_t{2} * count}, rows);
  const uint64_t used_bytes = bytes_of(targets) / rows.experts * std::min(count, rows.experts);
  const uint64_t chunk_bytes = product_chunk_bytes(used_bytes, rows.rows, pool_->threads());
  std::array<bool, kXForms> ready{};
  run_.clear();
  for (const MatmulTarget& target : targets) {
    const CpuWeight& weight = cpu_weight(*target.weight);
    const uint32_t out_cols = weight.rows() / rows.experts;
    WEFT_ASSERT(weight.cols() == cols);
    const XForm form = x_form(weight.type());
    MappedMemory& sorted = sorted_x_[size_t(form)];
    const uint64_t stride = prepared(form, from, cols).stride;
    if (!ready[size_t(form)]) {
      if (!prepare(form, from, x_rows, cols) || !reserve(sorted, count * stride)) return;
      const uint8_t* in_order = prepared(form, from, cols).rows;
      for (uint32_t i = 0; i < count; ++i) {
        const uint32_t row = spread ? choice_order_[i] : choice_order_[i] / rows.used;
        std::memcpy(sorted.data() + i * stride, in_order + row * stride, stride);
      }
      ready[size_t(form)] = true;
    }
    for (uint32_t e = 0; e < rows.experts; ++e) {
      const uint32_t begin = e == 0 ? 0 : expert_ends_[e - 1];
      if (begin == expert_ends_[e]) continue;
      run_.add({.weight = &weight,
                .function = matmul_function(weight.type()),
                .tile_rows = table_.tile_rows,
                .first_row = e * out_cols,
                .out_cols = out_cols,
                .x = sorted.data() + begin * stride,
                .x_stride = stride,
                .rows = expert_ends_[e] - begin,
                .out = floats(*target.out, size_t{count} * out_cols),
                .out_rows = choice_order_.data() + begin,
                .out_stride = out_cols},
               chunk_bytes);
    }
  }
  run_.run(*pool_, nearly_done);
}

void CpuBackend::add_expert_bias(Buffer& x, const Weight& bias, const Buffer& choice,
                                 const ExpertRows& rows) {
  const OperationTimer timer(observer_, "add_expert_bias");
  const size_t cols = bias.cols();
  const size_t count = size_t{rows.rows} * rows.used;
  float* to = floats(x, count * cols);
  const float* from = cpu_weight(bias).values().data();
  const std::span<const float> choices(floats(choice, 2 * count), 2 * count);
  split(count * cols, cols, [&](size_t begin, size_t end) {
    for (size_t at = begin / cols; at < end / cols; ++at) {
      table_.add(to + at * cols, from + rows.chosen(choices, at) * cols, cols);
    }
  });
}

void CpuBackend::add_experts(Buffer& x, const Buffer& y, uint32_t cols, const Buffer& choice,
                             const ExpertRows& rows) {
  const OperationTimer timer(observer_, "add_experts");
  float* to = floats(x, size_t{rows.rows} * cols);
  const float* parts = floats(y, size_t{rows.rows} * rows.used * cols);
  const float* chosen = floats(choice, size_t{rows.rows} * 2 * rows.used);
  split(size_t{rows.rows} * cols, cols, [&](size_t begin, size_t end) {
    for (size_t t = begin / cols; t < end / cols; ++t) {
      for (size_t i = 0; i < rows.used; ++i) {
        const float weight = chosen[t * 2 * rows.used + rows.used + i];
        const float* part = parts + (t * rows.used + i) * cols;
        for (size_t d = 0; d < cols; ++d) to[t * cols + d] += weight * part[d];
      }
    }
  });
}

}  // namespace weft::kernels
