#include "kernels/block.h"

#include <array>

#include "base/assert.h"

namespace weft::kernels {
namespace {

// What a sublayer reads: x itself where the family has no norm there.
const Buffer& normed_input(Backend& backend, const Weight* norm, const BlockParams& params,
                           BlockScratch& scratch, uint32_t rows) {
  if (norm == nullptr) return *scratch.x;
  backend.rms_norm(*scratch.normed, *scratch.x, *norm, rows, params.norm_epsilon);
  return *scratch.normed;
}

// Where a sublayer ends.
struct Projection {
  const Weight& weight;
  const Weight* bias;
  const Weight* post_norm;
  std::span<const LowRank> adapters;
};

// x += norm(weight * input + bias), by way of `normed`, which nothing reads any more at that point.
void add_projection(Backend& backend, const Projection& projection, const Buffer& input,
                    const BlockParams& params, BlockScratch& scratch, uint32_t rows) {
  Buffer& sum = *scratch.normed;
  const MatmulTarget target{&projection.weight, &sum};
  multiply(backend, projection.adapters, {&target, 1}, input, rows, scratch.adapter);
  if (projection.bias) backend.add_bias(sum, *projection.bias, rows);
  if (projection.post_norm) {
    backend.rms_norm(sum, sum, *projection.post_norm, rows, params.norm_epsilon);
  }
  backend.add(*scratch.x, sum, size_t{rows} * params.hidden_dim);
}

void run_attention(Backend& backend, const BlockWeights& weights, const BlockParams& params,
                   BlockScratch& scratch, KvStore& kv, uint32_t kv_layer, const BlockRows& rows) {
  const AttentionParams& heads = params.attention;
  const uint32_t count = uint32_t(rows.positions.size());
  const Buffer& input = normed_input(backend, weights.attn_norm.get(), params, scratch, count);
  const MatmulTarget targets[] = {{weights.attn_q.get(), scratch.q.get()},
                                  {weights.attn_k.get(), scratch.k.get()},
                                  {weights.attn_v.get(), scratch.v.get()}};
  multiply(backend, weights.adapters, targets, input, count, scratch.adapter);
  if (weights.attn_q_bias) backend.add_bias(*scratch.q, *weights.attn_q_bias, count);
  if (weights.attn_k_bias) backend.add_bias(*scratch.k, *weights.attn_k_bias, count);
  if (weights.attn_v_bias) backend.add_bias(*scratch.v, *weights.attn_v_bias, count);
  // Of heads: each is a row of its own.
  if (weights.attn_q_norm) {
    backend.rms_norm(*scratch.q, *scratch.q, *weights.attn_q_norm, count * heads.head_count,
                     params.norm_epsilon);
  }
  if (weights.attn_k_norm) {
    backend.rms_norm(*scratch.k, *scratch.k, *weights.attn_k_norm, count * heads.kv_head_count,
                     params.norm_epsilon);
  }
  if (params.rope) {
    backend.rope(*scratch.q, count, heads.head_count, heads.head_dim, *params.rope, rows.positions);
    backend.rope(*scratch.k, count, heads.kv_head_count, heads.head_dim, *params.rope,
                 rows.positions);
  }
  // Keys and values of every row are stored first: a row then finds the earlier rows of its own
  // chunk in the cache, like those of an earlier chunk.
  backend.append_kv(kv, kv_layer, *scratch.k, *scratch.v, rows.kv_rows);
  AttentionParams attention = heads;
  attention.sinks = weights.attn_sinks.get();
  backend.attention(*scratch.attention, *scratch.q, kv, kv_layer, rows.kv_rows, attention);
  const Projection projection{*weights.attn_output, weights.attn_output_bias.get(),
                              weights.attn_post_norm.get(), weights.adapters};
  add_projection(backend, projection, *scratch.attention, params, scratch, count);
}

void run_feed_forward(Backend& backend, const BlockWeights& weights, const BlockParams& params,
                      BlockScratch& scratch, uint32_t rows, const NearlyDone* nearly_done) {
  const Buffer& input = normed_input(backend, weights.ffn_norm.get(), params, scratch, rows);
  const MatmulTarget targets[] = {{weights.ffn_gate.get(), scratch.gate.get()},
                                  {weights.ffn_up.get(), scratch.up.get()}};
  multiply(backend, weights.adapters, targets, input, rows, scratch.adapter);
  backend.glu(params.activation, *scratch.gate, *scratch.gate, *scratch.up,
              size_t{rows} * params.ffn_dim);
  const Projection projection{*weights.ffn_down, nullptr, weights.ffn_post_norm.get(),
                              weights.adapters};
  if (nearly_done) backend.tell_in_next_product(*nearly_done);
  add_projection(backend, projection, *scratch.gate, params, scratch, rows);
}

void run_experts(Backend& backend, const BlockWeights& weights, const BlockParams& params,
                 BlockScratch& scratch, uint32_t count, const NearlyDone* nearly_done) {
  const ExpertRows rows{count, params.expert_count, params.experts_used};
  const Buffer& input = normed_input(backend, weights.ffn_norm.get(), params, scratch, count);
  const MatmulTarget router{weights.router.get(), scratch.router.get()};
  multiply(backend, weights.adapters, {&router, 1}, input, count, scratch.adapter);
  if (weights.router_bias) backend.add_bias(*scratch.router, *weights.router_bias, count);
  Buffer& choice = *scratch.choice;
  backend.choose_experts(choice, *scratch.router, rows);

  const auto add_bias = [&](Buffer& to, const std::unique_ptr<Weight>& bias) {
    if (bias) backend.add_expert_bias(to, *bias, choice, rows);
  };
  const MatmulTarget targets[] = {{weights.experts_gate.get(), scratch.gate.get()},
                                  {weights.experts_up.get(), scratch.up.get()}};
  backend.matmul_experts(targets, input, false, choice, rows);
  add_bias(*scratch.gate, weights.experts_gate_bias);
  add_bias(*scratch.up, weights.experts_up_bias);
  backend.glu(params.activation, *scratch.gate, *scratch.gate, *scratch.up,
              size_t{count} * rows.used * params.expert_ffn_dim);
  const MatmulTarget down{weights.experts_down.get(), scratch.experts.get()};
  if (nearly_done) backend.tell_in_next_product(*nearly_done);
  backend.matmul_experts({&down, 1}, *scratch.gate, true, choice, rows);
  add_bias(*scratch.experts, weights.experts_down_bias);
  backend.add_experts(*scratch.x, *scratch.experts, params.hidden_dim, choice, rows);
}

// The buffers, and the floats per row of each.
struct ScratchSize {
  std::unique_ptr<Buffer> BlockScratch::*buffer;
  uint64_t row_floats;
};
std::array<ScratchSize, 11> scratch_sizes(const model::ModelConfig& config) {
  const uint64_t used = config.experts_used;
  const uint64_t ffn = config.expert_count > 0 ? used * config.expert_ffn_dim : config.ffn_dim;
  return {{{&BlockScratch::x, config.hidden_dim},
           {&BlockScratch::normed, config.hidden_dim},
           {&BlockScratch::q, config.q_dim()},
           {&BlockScratch::k, config.kv_dim()},
           {&BlockScratch::v, config.kv_dim()},
           {&BlockScratch::attention, config.q_dim()},
           {&BlockScratch::gate, ffn},
           {&BlockScratch::up, ffn},
           {&BlockScratch::router, config.expert_count},
           {&BlockScratch::choice, 2 * used},
           {&BlockScratch::experts, used * config.hidden_dim}}};
}

}  // namespace

BlockParams block_params(const model::ModelConfig& config, bool windowed, const RopeTable* rope) {
  return {.attention = {.head_count = config.head_count,
                        .kv_head_count = config.kv_head_count,
                        .head_dim = config.head_dim,
                        .scale = config.attention_scale,
                        .soft_cap = config.attention_soft_cap,
                        .window = windowed ? config.window : 0},
          .rope = rope,
          .activation = config.activation,
          .norm_epsilon = config.norm_epsilon,
          .hidden_dim = config.hidden_dim,
          .ffn_dim = config.ffn_dim,
          .expert_count = config.expert_count,
          .experts_used = config.experts_used,
          .expert_ffn_dim = config.expert_ffn_dim};
}

Result<BlockScratch> BlockScratch::allocate(Backend& backend, const model::ModelConfig& config,
                                            uint32_t rows) {
  BlockScratch scratch;
  for (const ScratchSize& size : scratch_sizes(config)) {
    if (size.row_floats == 0) continue;
    WEFT_TRY(scratch.*size.buffer, backend.allocate(rows * size.row_floats));
  }
  return scratch;
}

uint64_t BlockScratch::bytes(const model::ModelConfig& config, uint32_t rows) {
  uint64_t floats = 0;
  for (const ScratchSize& size : scratch_sizes(config)) floats += rows * size.row_floats;
  return floats * sizeof(float);
}

void run_block(Backend& backend, const BlockWeights& weights, const BlockParams& params,
               BlockScratch& scratch, KvStore& kv, uint32_t kv_layer, const BlockRows& rows) {
  WEFT_ASSERT(rows.positions.size() == rows.kv_rows.size());
  if (weights.attn_q) run_attention(backend, weights, params, scratch, kv, kv_layer, rows);
  const uint32_t count = uint32_t(rows.positions.size());
  if (weights.ffn_down) {
    run_feed_forward(backend, weights, params, scratch, count,
                     weights.router ? nullptr : rows.nearly_done);
  }
  if (weights.router) run_experts(backend, weights, params, scratch, count, rows.nearly_done);
}

}  // namespace weft::kernels
