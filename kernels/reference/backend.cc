// The reference backend: every weight as f32, every sum in f64, one thread, nothing clever.
#include <algorithm>

#include "base/assert.h"
#include "kernels/backend.h"
#include "kernels/memory.h"
#include "kernels/reference/attention.h"
#include "kernels/reference/best_logits.h"
#include "kernels/reference/elementwise.h"
#include "kernels/reference/experts.h"
#include "kernels/reference/kv.h"
#include "kernels/reference/lookup.h"
#include "kernels/reference/matmul.h"
#include "kernels/reference/norm.h"
#include "kernels/reference/rope.h"
#include "model/token_weight.h"

namespace weft::kernels {
namespace {

class ReferenceWeight : public Weight {
 public:
  ReferenceWeight(uint32_t rows, uint32_t cols, std::vector<float> values)
      : Weight(rows, cols), values_(std::move(values)) {}
  uint64_t bytes() const override { return values_.size() * sizeof(float); }
  std::span<const float> values() const { return values_; }

 private:
  std::vector<float> values_;
};

class ReferenceBuffer : public Buffer {
 public:
  explicit ReferenceBuffer(std::vector<float> values)
      : Buffer(values.size()), values_(std::move(values)) {}
  std::span<float> first(size_t count) {
    WEFT_ASSERT(count <= values_.size());
    return std::span(values_).first(count);
  }
  std::span<const float> first(size_t count) const {
    WEFT_ASSERT(count <= values_.size());
    return std::span(values_).first(count);
  }

 private:
  std::vector<float> values_;
};

// The things of another backend must never get here; this is no fast path, so it is checked.
template <typename Own, typename Base>
Own& own(Base& thing) {
  auto* cast = dynamic_cast<Own*>(&thing);
  WEFT_ASSERT(cast != nullptr);
  return *cast;
}
std::span<const float> values(const Weight& weight) {
  return own<const ReferenceWeight>(weight).values();
}
std::span<float> first(Buffer& buffer, size_t count) {
  return own<ReferenceBuffer>(buffer).first(count);
}
std::span<const float> first(const Buffer& buffer, size_t count) {
  return own<const ReferenceBuffer>(buffer).first(count);
}

class ReferenceBackend : public Backend {
 public:
  std::string_view name() const override { return "reference"; }
  std::string_view detail() const override { return "plain loops, f64 sums, 1 thread"; }

  Result<std::unique_ptr<Weight>> load(const TensorView& tensor, WeightUse) override {
    const size_t count = size_t{tensor.rows} * tensor.cols;
    WEFT_TRY(std::vector<float> values, make_array<float>(count, "weights"));
    model::dequantize(tensor.type, tensor.data, values);
    return std::unique_ptr<Weight>(
        std::make_unique<ReferenceWeight>(tensor.rows, tensor.cols, std::move(values)));
  }
  Result<std::unique_ptr<Buffer>> allocate(size_t floats) override {
    WEFT_TRY(std::vector<float> values, make_array<float>(floats, "activations"));
    return std::unique_ptr<Buffer>(std::make_unique<ReferenceBuffer>(std::move(values)));
  }
  Result<std::unique_ptr<KvStore>> allocate_kv(const KvShape& shape) override {
    WEFT_TRY(std::unique_ptr<KvStore> kv, reference::Kv::make(shape));
    return kv;
  }

  void write(Buffer& to, std::span<const float> from) override {
    std::copy(from.begin(), from.end(), first(to, from.size()).begin());
  }
  void read(std::span<float> to, const Buffer& from) override {
    const auto source = first(from, to.size());
    std::copy(source.begin(), source.end(), to.begin());
  }

  void embed(Buffer& out, const Weight& table, std::span<const TokenId> tokens,
             float scale) override {
    std::vector<uint32_t> indices(tokens.begin(), tokens.end());
    const auto to = first(out, tokens.size() * table.cols());
    reference::gather_rows(to, values(table), table.cols(), indices);
    for (float& value : to) value *= scale;
  }
  void rms_norm(Buffer& out, const Buffer& x, const Weight& weight, uint32_t rows,
                float epsilon) override {
    const size_t count = size_t{rows} * weight.cols();
    reference::rms_norm(first(out, count), first(x, count), values(weight), epsilon);
  }
  void matmul(std::span<const MatmulTarget> targets, const Buffer& x, uint32_t rows) override {
    for (const MatmulTarget& target : targets) {
      const Weight& weight = *target.weight;
      reference::matmul(first(*target.out, size_t{rows} * weight.rows()),
                        first(x, size_t{rows} * weight.cols()), values(weight), weight.cols());
    }
  }
  void rope(Buffer& x, uint32_t rows, uint32_t heads, uint32_t head_dim, const RopeTable& table,
            std::span<const uint32_t> positions) override {
    WEFT_ASSERT(positions.size() == rows);
    reference::rope(first(x, size_t{rows} * heads * head_dim), heads, head_dim, table, positions);
  }
  void append_kv(KvStore& kv, uint32_t layer, const Buffer& k, const Buffer& v,
                 std::span<const KvRow> rows) override {
    const size_t dim = kv.shape().kv_dim();
    const auto keys = first(k, rows.size() * dim);
    const auto new_values = first(v, rows.size() * dim);
    for (size_t i = 0; i < rows.size(); ++i) {
      own<reference::Kv>(kv).append(layer, rows[i], keys.subspan(i * dim, dim),
                                    new_values.subspan(i * dim, dim));
    }
  }
  void attention(Buffer& out, const Buffer& q, const KvStore& kv, uint32_t layer,
                 std::span<const KvRow> rows, const AttentionParams& params) override {
    const size_t dim = size_t{params.head_count} * params.head_dim;
    const auto& store = own<const reference::Kv>(kv);
    const auto results = first(out, rows.size() * dim);
    const auto queries = first(q, rows.size() * dim);
    const auto sinks = params.sinks ? values(*params.sinks) : std::span<const float>();
    for (size_t i = 0; i < rows.size(); ++i) {
      const uint32_t from = rows[i].first_seen(params.window);
      reference::attention_row(results.subspan(i * dim, dim), queries.subspan(i * dim, dim),
                               store.keys(layer, rows[i], from), store.values(layer, rows[i], from),
                               sinks, params);
    }
  }
  void glu(model::Activation activation, Buffer& out, const Buffer& gate, const Buffer& up,
           size_t count) override {
    reference::glu(activation, first(out, count), first(gate, count), first(up, count));
  }
  void soft_cap(Buffer& x, float cap, size_t count) override {
    reference::soft_cap(first(x, count), cap);
  }
  void add(Buffer& x, const Buffer& y, size_t count) override {
    reference::add(first(x, count), first(y, count));
  }
  void add_bias(Buffer& x, const Weight& bias, uint32_t rows) override {
    const size_t cols = bias.cols();
    const auto sums = first(x, rows * cols);
    for (uint32_t row = 0; row < rows; ++row) {
      reference::add(sums.subspan(row * cols, cols), values(bias).first(cols));
    }
  }
  void choose_experts(Buffer& choice, const Buffer& logits, const ExpertRows& rows) override {
    const auto chosen = first(choice, size_t{rows.rows} * 2 * rows.used);
    const auto from = first(logits, size_t{rows.rows} * rows.experts);
    for (size_t t = 0; t < rows.rows; ++t) {
      reference::choose_experts(chosen.subspan(t * 2 * rows.used, 2 * rows.used),
                                from.subspan(t * rows.experts, rows.experts));
    }
  }
  void matmul_experts(std::span<const MatmulTarget> targets, const Buffer& x, bool spread,
                      const Buffer& choice, const ExpertRows& rows) override {
    for (const MatmulTarget& target : targets) {
      const size_t cols = target.weight->cols(), n = target.weight->rows() / rows.experts;
      const auto from = first(x, size_t{rows.rows} * (spread ? rows.used : 1) * cols);
      const auto to = first(*target.out, size_t{rows.rows} * rows.used * n);
      each_choice(choice, rows, [&](size_t t, size_t at, size_t expert) {
        reference::matmul(to.subspan(at * n, n), from.subspan((spread ? at : t) * cols, cols),
                          values(*target.weight).subspan(expert * n * cols, n * cols), cols);
      });
    }
  }
  void add_expert_bias(Buffer& x, const Weight& bias, const Buffer& choice,
                       const ExpertRows& rows) override {
    const size_t cols = bias.cols();
    const auto sums = first(x, size_t{rows.rows} * rows.used * cols);
    each_choice(choice, rows, [&](size_t, size_t at, size_t expert) {
      reference::add(sums.subspan(at * cols, cols), values(bias).subspan(expert * cols, cols));
    });
  }
  void add_experts(Buffer& x, const Buffer& y, uint32_t cols, const Buffer& choice,
                   const ExpertRows& rows) override {
    const auto chosen = first(choice, size_t{rows.rows} * 2 * rows.used);
    const auto sums = first(x, size_t{rows.rows} * cols);
    const auto parts = first(y, size_t{rows.rows} * rows.used * cols);
    for (size_t t = 0; t < rows.rows; ++t) {
      for (size_t d = 0; d < cols; ++d) {
        double sum = sums[t * cols + d];
        for (size_t i = 0; i < rows.used; ++i) {
          const double weight = chosen[t * 2 * rows.used + rows.used + i];
          sum += weight * parts[(t * rows.used + i) * cols + d];
        }
        sums[t * cols + d] = float(sum);
      }
    }
  }
  void gather_rows(Buffer& to, const Buffer& from, uint32_t cols,
                   std::span<const uint32_t> indices) override {
    reference::gather_rows(first(to, indices.size() * cols), first(from, from.size()), cols,
                           indices);
  }
  void best_logits(Buffer& best, const Buffer& logits, uint32_t rows, uint32_t cols,
                   uint32_t count) override {
    const auto to = first(best, size_t{rows} * 2 * count);
    const auto from = first(logits, size_t{rows} * cols);
    for (size_t t = 0; t < rows; ++t) {
      reference::best_logits(to.subspan(t * 2 * count, size_t{2} * count),
                             from.subspan(t * cols, cols));
    }
  }
  void total_weights(Buffer& totals, const Buffer& logits, const Buffer& best, uint32_t rows,
                     uint32_t cols, uint32_t count, std::span<const float> scales) override {
    const auto to = first(totals, size_t{3} * rows);
    const auto from = first(logits, size_t{rows} * cols);
    const auto tops = first(best, size_t{rows} * 2 * count);
    for (size_t t = 0; t < rows; ++t) {
      const float top = tops[t * 2 * count + count];
      const auto total = model::split_total(
          scales[t] > 0 ? model::total_weight(from.subspan(t * cols, cols), top, scales[t]) : 0);
      std::copy(total.begin(), total.end(), to.begin() + std::ptrdiff_t(3 * t));
    }
  }
  Result<> finish() override { return {}; }

 private:
  // body(row, row of the products, expert)
  template <typename Body>
  static void each_choice(const Buffer& choice, const ExpertRows& rows, Body body) {
    const auto chosen = first(choice, size_t{rows.rows} * 2 * rows.used);
    for (uint32_t t = 0; t < rows.rows; ++t) {
      for (uint32_t i = 0; i < rows.used; ++i) {
        const size_t at = size_t{t} * rows.used + i;
        body(t, at, rows.chosen(chosen, at));
      }
    }
  }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() {
  return std::make_unique<ReferenceBackend>();
}

}  // namespace weft::kernels
