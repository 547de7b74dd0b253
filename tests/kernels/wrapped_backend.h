// The reference backend behind a wrapper that counts calls and fails when a test asks for it.
#pragma once

#include <memory>
#include <utility>

#include "kernels/backend.h"

namespace weft::kernels {

class WrappedBackend : public Backend {
 public:
  bool fail_finish = false;
  bool fail_allocate = false;
  uint32_t expected = 0;  // sequences
  uint32_t matmul_rows = 0;  // of the last matmul
  uint32_t matmul_calls = 0;
  uint32_t norm_calls = 0;
  uint32_t rope_calls = 0;
  uint32_t attention_calls = 0;

  void expect_work() override { ++expected; }
  std::string_view name() const override { return inner_->name(); }
  std::string_view detail() const override { return inner_->detail(); }
  Result<std::unique_ptr<Weight>> load(const TensorView& tensor, WeightUse use) override {
    return inner_->load(tensor, use);
  }
  Result<std::unique_ptr<Buffer>> allocate(size_t floats) override {
    if (fail_allocate) return Error(ErrorCode::kExhausted, "no memory, as the test asked");
    return inner_->allocate(floats);
  }
  Result<std::unique_ptr<KvStore>> allocate_kv(const KvShape& shape) override {
    return inner_->allocate_kv(shape);
  }
  void write(Buffer& to, std::span<const float> from) override { inner_->write(to, from); }
  void read(std::span<float> to, const Buffer& from) override { inner_->read(to, from); }
  void embed(Buffer& out, const Weight& table, std::span<const TokenId> tokens,
             float scale) override {
    inner_->embed(out, table, tokens, scale);
  }
  void rms_norm(Buffer& out, const Buffer& x, const Weight& weight, uint32_t rows,
                float epsilon) override {
    ++norm_calls;
    inner_->rms_norm(out, x, weight, rows, epsilon);
  }
  void matmul(std::span<const MatmulTarget> targets, const Buffer& x, uint32_t rows) override {
    ++matmul_calls;
    if (const NearlyDone* told = std::exchange(nearly_done_, nullptr)) (*told)();
    matmul_rows = rows;
    inner_->matmul(targets, x, rows);
  }
  void rope(Buffer& x, uint32_t rows, uint32_t heads, uint32_t head_dim, const RopeTable& table,
            std::span<const uint32_t> positions) override {
    ++rope_calls;
    inner_->rope(x, rows, heads, head_dim, table, positions);
  }
  void append_kv(KvStore& kv, uint32_t layer, const Buffer& k, const Buffer& v,
                 std::span<const KvRow> rows) override {
    inner_->append_kv(kv, layer, k, v, rows);
  }
  void attention(Buffer& out, const Buffer& q, const KvStore& kv, uint32_t layer,
                 std::span<const KvRow> rows, const AttentionParams& params) override {
    ++attention_calls;
    inner_->attention(out, q, kv, layer, rows, params);
  }
  void glu(model::Activation activation, Buffer& out, const Buffer& gate, const Buffer& up,
           size_t count) override {
    inner_->glu(activation, out, gate, up, count);
  }
  void soft_cap(Buffer& x, float cap, size_t count) override { inner_->soft_cap(x, cap, count); }
  void choose_experts(Buffer& choice, const Buffer& logits, const ExpertRows& rows) override {
    inner_->choose_experts(choice, logits, rows);
  }
  void matmul_experts(std::span<const MatmulTarget> targets, const Buffer& x, bool spread,
                      const Buffer& choice, const ExpertRows& rows) override {
    inner_->matmul_experts(targets, x, spread, choice, rows);
  }
  void add_expert_bias(Buffer& x, const Weight& bias, const Buffer& choice,
                       const ExpertRows& rows) override {
    inner_->add_expert_bias(x, bias, choice, rows);
  }
  void add_experts(Buffer& x, const Buffer& y, uint32_t cols, const Buffer& choice,
                   const ExpertRows& rows) override {
    inner_->add_experts(x, y, cols, choice, rows);
  }
  void add(Buffer& x, const Buffer& y, size_t count) override { inner_->add(x, y, count); }
  void add_bias(Buffer& x, const Weight& bias, uint32_t rows) override {
    inner_->add_bias(x, bias, rows);
  }
  void gather_rows(Buffer& to, const Buffer& from, uint32_t cols,
                   std::span<const uint32_t> indices) override {
    inner_->gather_rows(to, from, cols, indices);
  }
  void best_logits(Buffer& best, const Buffer& logits, uint32_t rows, uint32_t cols,
                   uint32_t count) override {
    inner_->best_logits(best, logits, rows, cols, count);
  }
  void total_weights(Buffer& totals, const Buffer& logits, const Buffer& best, uint32_t rows,
                     uint32_t cols, uint32_t count, std::span<const float> scales) override {
    inner_->total_weights(totals, logits, best, rows, cols, count, scales);
  }
  Result<> finish() override {
    if (fail_finish) return Error(ErrorCode::kUnavailable, "device lost, as the test asked");
    return inner_->finish();
  }

 private:
  std::unique_ptr<Backend> inner_ = make_reference_backend();
};

}  // namespace weft::kernels
