// CpuBackend: the backend interface over one KernelTable and one ThreadPool. Every operation runs
// at once, as at most one parallel region (a product of many rows has one more, which quantizes x).
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_weight.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/mapped_memory.h"
#include "kernels/cpu/product.h"
#include "kernels/cpu/thread_pool.h"

namespace weft::kernels {

// Elementwise work below this is done by the caller: waking others would cost more.
inline constexpr size_t kSplitFloats = 16 * 1024;

class CpuBackend final : public Backend {
 public:
  CpuBackend(const KernelTable& table, std::unique_ptr<ThreadPool> pool);

  std::string_view name() const override { return "cpu"; }
  std::string_view detail() const override { return detail_; }

  void expect_work() override { pool_->wake_up(); }
  Result<std::unique_ptr<Weight>> load(const TensorView& tensor, WeightUse use) override;
  Result<std::unique_ptr<Buffer>> allocate(size_t floats) override;
  Result<std::unique_ptr<KvStore>> allocate_kv(const KvShape& shape) override;
  void write(Buffer& to, std::span<const float> from) override;
  void read(std::span<float> to, const Buffer& from) override;

  void embed(Buffer& out, const Weight& table, std::span<const TokenId> tokens,
             float scale) override;
  void rms_norm(Buffer& out, const Buffer& x, const Weight& weight, uint32_t rows,
                float epsilon) override;
  void matmul(std::span<const MatmulTarget> targets, const Buffer& x, uint32_t rows) override;
  void rope(Buffer& x, uint32_t rows, uint32_t heads, uint32_t head_dim, const RopeTable& table,
            std::span<const uint32_t> positions) override;
  void append_kv(KvStore& kv, uint32_t layer, const Buffer& k, const Buffer& v,
                 std::span<const KvRow> rows) override;
  void attention(Buffer& out, const Buffer& q, const KvStore& kv, uint32_t layer,
                 std::span<const KvRow> rows, const AttentionParams& params) override;
  void glu(model::Activation activation, Buffer& out, const Buffer& gate, const Buffer& up,
           size_t count) override;
  void soft_cap(Buffer& x, float cap, size_t count) override;
  void add(Buffer& x, const Buffer& y, size_t count) override;
  void add_bias(Buffer& x, const Weight& bias, uint32_t rows) override;
  void choose_experts(Buffer& choice, const Buffer& logits, const ExpertRows& rows) override;
  void matmul_experts(std::span<const MatmulTarget> targets, const Buffer& x, bool spread,
                      const Buffer& choice, const ExpertRows& rows) override;
  void add_expert_bias(Buffer& x, const Weight& bias, const Buffer& choice,
                       const ExpertRows& rows) override;
  void add_experts(Buffer& x, const Buffer& y, uint32_t cols, const Buffer& choice,
                   const ExpertRows& rows) override;
  void gather_rows(Buffer& to, const Buffer& from, uint32_t cols,
                   std::span<const uint32_t> indices) override;
  void best_logits(Buffer& best, const Buffer& logits, uint32_t rows, uint32_t cols,
                   uint32_t count) override;
  void total_weights(Buffer& totals, const Buffer& logits, const Buffer& best, uint32_t rows,
                     uint32_t cols, uint32_t count, std::span<const float> scales) override;

  // kExhausted if memory for an intermediate ran out since the last call; what was computed since
  // is then worthless.
  Result<> finish() override;

 private:
  // What the inner loop of a weight type reads x as.
  enum class XForm { kFloats, kBlocks32, kBlocks256 };
  static constexpr size_t kXForms = 3;
  struct PreparedX {
    const uint8_t* rows;
    uint64_t stride;
  };

  struct RowRun {
    uint32_t first, count;
  };

  static XForm x_form(model::TensorType type);
  MatmulFunction matmul_function(model::TensorType type) const;
  // Grows a scratch memory; false (and `failed_` set) without memory.
  bool reserve(MappedMemory& scratch, uint64_t bytes);
  // Quantizes x for one form into its scratch, if `wanted`.
  bool prepare(XForm form, const float* x, uint32_t rows, uint32_t cols);
  PreparedX prepared(XForm form, const float* x, uint32_t cols) const;
  // Calls body(begin, end) over [0, count) in runs of whole multiples of `step`, in parallel only
  // if there is enough of it.
  template <typename Body>
  void split(size_t count, size_t step, Body body);
  // Cuts rows into runs of one session, `most` at most, for attention: row_runs_.
  void find_row_runs(std::span<const KvRow> rows, uint32_t most);
  void sort_choices(std::span<const float> choice, const ExpertRows& rows);

  const KernelTable& table_;
  std::unique_ptr<ThreadPool> pool_;
  std::string detail_;
  MappedMemory blocks32_, blocks256_, row_scratch_;
  std::array<MappedMemory, kXForms> sorted_x_;
  ProductRun run_;
  std::vector<RowRun> row_runs_;
  std::vector<uint32_t> choice_order_;  // choices by expert
  std::vector<uint32_t> expert_ends_;   // in choice_order_
  bool failed_ = false;
};

template <typename Body>
void CpuBackend::split(size_t count, size_t step, Body body) {
  if (count <= kSplitFloats) return body(size_t{0}, count);
  const size_t run = std::max<size_t>(step, kSplitFloats / 2 / step * step);
  const uint32_t chunks = uint32_t((count + run - 1) / run);
  pool_->parallel_for(
      chunks, [&](uint32_t chunk) { body(chunk * run, std::min(count, (chunk + 1) * run)); });
}

}  // namespace weft::kernels
