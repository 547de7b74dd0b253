#include "kernels/block.h"

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

// x += weight * input, by way of `normed`, which nothing reads any more at that point.
void add_projection(Backend& backend, const Weight& weight, const Buffer& input,
                    const BlockParams& params, BlockScratch& scratch, uint32_t rows) {
  const MatmulTarget target{&weight, scratch.normed.get()};
  backend.matmul({&target, 1}, input, rows);
  backend.add(*scratch.x, *scratch.normed, size_t{rows} * params.hidden_dim);
}

void run_attention(Backend& backend, const BlockWeights& weights, const BlockParams& params,
                   BlockScratch& scratch, KvStore& kv, uint32_t kv_layer, const BlockRows& rows) {
  const AttentionParams& heads = params.attention;
  const uint32_t count = uint32_t(rows.positions.size());
  const Buffer& input = normed_input(backend, weights.attn_norm.get(), params, scratch, count);
  const MatmulTarget targets[] = {{weights.attn_q.get(), scratch.q.get()},
                                  {weights.attn_k.get(), scratch.k.get()},
                                  {weights.attn_v.get(), scratch.v.get()}};
  backend.matmul(targets, input, count);
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
  if (params.rope.dims > 0) {
    backend.rope(*scratch.q, count, heads.head_count, heads.head_dim, params.rope, rows.positions);
    backend.rope(*scratch.k, count, heads.kv_head_count, heads.head_dim, params.rope,
                 rows.positions);
  }
  // Keys and values of every row are stored first: a row then finds the earlier rows of its own
  // chunk in the cache, like those of an earlier chunk.
  backend.append_kv(kv, kv_layer, *scratch.k, *scratch.v, rows.kv_rows);
  backend.attention(*scratch.attention, *scratch.q, kv, kv_layer, rows.kv_rows, heads);
  add_projection(backend, *weights.attn_output, *scratch.attention, params, scratch, count);
}

void run_feed_forward(Backend& backend, const BlockWeights& weights, const BlockParams& params,
                      BlockScratch& scratch, uint32_t rows) {
  const Buffer& input = normed_input(backend, weights.ffn_norm.get(), params, scratch, rows);
  const MatmulTarget targets[] = {{weights.ffn_gate.get(), scratch.gate.get()},
                                  {weights.ffn_up.get(), scratch.up.get()}};
  backend.matmul(targets, input, rows);
  backend.swiglu(*scratch.gate, *scratch.gate, *scratch.up, size_t{rows} * params.ffn_dim);
  add_projection(backend, *weights.ffn_down, *scratch.gate, params, scratch, rows);
}

// Floats per row of each buffer, in the order of BlockScratch's members.
struct RowFloats {
  uint64_t hidden, q, kv, ffn;
  explicit RowFloats(const model::ModelConfig& config)
      : hidden(config.hidden_dim), q(config.q_dim()), kv(config.kv_dim()), ffn(config.ffn_dim) {}
  uint64_t total() const { return 2 * hidden + 2 * q + 2 * kv + 2 * ffn; }
};

}  // namespace

Result<BlockScratch> BlockScratch::allocate(Backend& backend, const model::ModelConfig& config,
                                            uint32_t rows) {
  const RowFloats floats(config);
  BlockScratch scratch;
  WEFT_TRY(scratch.x, backend.allocate(rows * floats.hidden));
  WEFT_TRY(scratch.normed, backend.allocate(rows * floats.hidden));
  WEFT_TRY(scratch.q, backend.allocate(rows * floats.q));
  WEFT_TRY(scratch.k, backend.allocate(rows * floats.kv));
  WEFT_TRY(scratch.v, backend.allocate(rows * floats.kv));
  WEFT_TRY(scratch.attention, backend.allocate(rows * floats.q));
  WEFT_TRY(scratch.gate, backend.allocate(rows * floats.ffn));
  WEFT_TRY(scratch.up, backend.allocate(rows * floats.ffn));
  return scratch;
}

uint64_t BlockScratch::bytes(const model::ModelConfig& config, uint32_t rows) {
  return rows * RowFloats(config).total() * sizeof(float);
}

void run_block(Backend& backend, const BlockWeights& weights, const BlockParams& params,
               BlockScratch& scratch, KvStore& kv, uint32_t kv_layer, const BlockRows& rows) {
  WEFT_ASSERT(rows.positions.size() == rows.kv_rows.size());
  if (weights.attn_q) run_attention(backend, weights, params, scratch, kv, kv_layer, rows);
  if (weights.ffn_down) {
    run_feed_forward(backend, weights, params, scratch, uint32_t(rows.positions.size()));
  }
}

}  // namespace weft::kernels
