// A transformer layer, for every family that is made of attention and a gated feed-forward network,
// or a mixture of such as experts: the weights a layer has say what is computed. A step whose
// tensor is null is skipped, so a family is data (model/arch_*.cc) and this walk knows none by
// name.
#pragma once

#include <memory>
#include <span>

#include "kernels/adapter.h"
#include "kernels/backend.h"

namespace weft::kernels {

// The weights of one layer, by the roles and with the shapes of model::LayerTensors; null where it
// has none.
struct BlockWeights {
  std::unique_ptr<Weight> attn_norm;
  std::unique_ptr<Weight> attn_q;  // null: no attention in this layer
  std::unique_ptr<Weight> attn_k, attn_v;
  std::unique_ptr<Weight> attn_q_bias, attn_k_bias, attn_v_bias;
  std::unique_ptr<Weight> attn_q_norm, attn_k_norm;
  std::unique_ptr<Weight> attn_sinks;
  std::unique_ptr<Weight> attn_output, attn_output_bias;
  std::unique_ptr<Weight> attn_post_norm;
  std::unique_ptr<Weight> ffn_norm;
  std::unique_ptr<Weight> ffn_gate, ffn_up;
  std::unique_ptr<Weight> ffn_down;  // null: no dense network in this layer
  std::unique_ptr<Weight> ffn_post_norm;
  std::unique_ptr<Weight> router;  // null: no experts in this layer
  std::unique_ptr<Weight> router_bias;
  std::unique_ptr<Weight> experts_gate, experts_up, experts_down;
  std::unique_ptr<Weight> experts_gate_bias, experts_up_bias, experts_down_bias;
  std::vector<LowRank> adapters;  // of any of the matrices above but the experts'
};

// What is the same in every layer of a slice that has a window, or in every one that has none.
struct BlockParams {
  AttentionParams attention;
  const RopeTable* rope = nullptr;  // null: no rotation
  model::Activation activation = model::Activation::kSilu;
  float norm_epsilon = 0;
  uint32_t hidden_dim = 0;
  uint32_t ffn_dim = 0;
  uint32_t expert_count = 0;
  uint32_t experts_used = 0;
  uint32_t expert_ffn_dim = 0;
};
BlockParams block_params(const model::ModelConfig& config, bool windowed, const RopeTable* rope);

// Activations between the steps, for up to as many rows as they were allocated for.
struct BlockScratch {
  std::unique_ptr<Buffer> x;          // [rows, hidden]: the residual stream, in and out
  std::unique_ptr<Buffer> normed;     // [rows, hidden]
  std::unique_ptr<Buffer> q;          // [rows, q_dim]
  std::unique_ptr<Buffer> k, v;       // [rows, kv_dim]
  std::unique_ptr<Buffer> attention;  // [rows, q_dim]
  std::unique_ptr<Buffer> gate, up;   // [rows, ffn], or [rows, used, expert_ffn]
  // Of models with experts.
  std::unique_ptr<Buffer> router;   // [rows, experts]
  std::unique_ptr<Buffer> choice;   // [rows, 2 used]
  std::unique_ptr<Buffer> experts;  // [rows, used, hidden]
  AdapterScratch adapter;  // of layers with adapters: the slice's to allocate

  static Result<BlockScratch> allocate(Backend& backend, const model::ModelConfig& config,
                                       uint32_t rows);
  static uint64_t bytes(const model::ModelConfig& config, uint32_t rows);
};

// The rows of a call; both spans have one entry per row and outlive the backend's `finish`.
struct BlockRows {
  std::span<const uint32_t> positions;
  std::span<const KvRow> kv_rows;
  const NearlyDone* nearly_done = nullptr;  // told during the last product, if there is one
};

// scratch.x = layer(scratch.x) over the rows; `kv_layer` is the layer's index within `kv`.
void run_block(Backend& backend, const BlockWeights& weights, const BlockParams& params,
               BlockScratch& scratch, KvStore& kv, uint32_t kv_layer, const BlockRows& rows);

}  // namespace weft::kernels
