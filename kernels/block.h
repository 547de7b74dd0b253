// A transformer layer, for every family that is made of attention and a gated feed-forward network:
// the weights a layer has say what is computed. A step whose tensor is null is skipped, so a family
// is data (model/arch_*.cc) and this walk knows none by name.
#pragma once

#include <memory>
#include <span>

#include "kernels/backend.h"

namespace weft::kernels {

// The weights of one layer, by the roles of model::LayerTensors; null where it has none.
struct BlockWeights {
  std::unique_ptr<Weight> attn_norm;    // [1, hidden]
  std::unique_ptr<Weight> attn_q;       // [q_dim, hidden]; null: no attention in this layer
  std::unique_ptr<Weight> attn_k;       // [kv_dim, hidden]
  std::unique_ptr<Weight> attn_v;       // [kv_dim, hidden]
  std::unique_ptr<Weight> attn_q_bias;  // [1, q_dim]
  std::unique_ptr<Weight> attn_k_bias;  // [1, kv_dim]
  std::unique_ptr<Weight> attn_v_bias;  // [1, kv_dim]
  std::unique_ptr<Weight> attn_q_norm;  // [1, head_dim]
  std::unique_ptr<Weight> attn_k_norm;  // [1, head_dim]
  std::unique_ptr<Weight> attn_output;  // [hidden, q_dim]
  std::unique_ptr<Weight> ffn_norm;     // [1, hidden]
  std::unique_ptr<Weight> ffn_gate;     // [ffn, hidden]
  std::unique_ptr<Weight> ffn_up;       // [ffn, hidden]
  std::unique_ptr<Weight> ffn_down;     // [hidden, ffn]; null: no feed-forward in this layer
};

// What is the same in every layer of a slice.
struct BlockParams {
  AttentionParams attention;
  RopeTable rope;  // dims 0: no rotation
  float norm_epsilon = 0;
  uint32_t hidden_dim = 0;
  uint32_t ffn_dim = 0;
};

// Activations between the steps, for up to as many rows as they were allocated for.
struct BlockScratch {
  std::unique_ptr<Buffer> x;          // [rows, hidden]: the residual stream, in and out
  std::unique_ptr<Buffer> normed;     // [rows, hidden]
  std::unique_ptr<Buffer> q;          // [rows, q_dim]
  std::unique_ptr<Buffer> k, v;       // [rows, kv_dim]
  std::unique_ptr<Buffer> attention;  // [rows, q_dim]
  std::unique_ptr<Buffer> gate, up;   // [rows, ffn]

  static Result<BlockScratch> allocate(Backend& backend, const model::ModelConfig& config,
                                       uint32_t rows);
  static uint64_t bytes(const model::ModelConfig& config, uint32_t rows);
};

// The rows of a call; both spans have one entry per row and outlive the backend's `finish`.
struct BlockRows {
  std::span<const uint32_t> positions;
  std::span<const KvRow> kv_rows;
};

// scratch.x = layer(scratch.x) over the rows; `kv_layer` is the layer's index within `kv`.
void run_block(Backend& backend, const BlockWeights& weights, const BlockParams& params,
               BlockScratch& scratch, KvStore& kv, uint32_t kv_layer, const BlockRows& rows);

}  // namespace weft::kernels
