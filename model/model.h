// A model as it is: a GGUF file, its architecture as data, and its tensors by role.
//
// An architecture (model/architecture.h, model/arch_*.cc) is data that says which tensors a layer
// has and how heads rotate; kernels/block.cc walks what becomes of it and knows no architecture by
// name.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/gguf.h"

namespace weft::model {

// Rotary position embedding. Source: Su et al. 2021, arXiv:2104.09864. Every published scaling is a
// scale, a divisor of each frequency and a magnitude (model/rope_config.cc).
struct RopeConfig {
  float base = 10000;       // theta
  uint32_t dims = 0;        // leading elements of each head that rotate
  bool interleaved = true;  // pairs (2i, 2i+1) as in llama GGUFs; false: (i, i + dims/2)
  float scale = 1;          // positions are multiplied by this (linear scaling: 1/factor)
  float magnitude = 1;      // cosines and sines are multiplied by this
  std::vector<float> divisors = {};  // [dims/2], frequency i is divided by it; empty: by 1
  // Instead of `divisors` where streams may be longer than this context. 0: never.
  uint32_t original_context = 0;
  std::vector<float> long_divisors = {};

  bool operator==(const RopeConfig&) const = default;
};

// What becomes of a feed-forward network's gate g and its other half u.
enum class Activation {
  kSilu,         // g / (1 + e^-g) * u. Shazeer 2020, arXiv:2002.05202
  kGelu,         // 0.5 g (1 + tanh(sqrt(2/pi) (g + 0.044715 g^3))) * u. The same.
  kClampedSilu,  // min(g, 7) / (1 + e^(-1.702 min(g, 7))) * (1 + clamp(u, -7, 7)): gpt-oss
};

struct ModelConfig {
  std::string architecture;  // "llama"
  std::string name;          // general.name, printable
  uint32_t layer_count = 0;
  uint32_t hidden_dim = 0;
  uint32_t head_count = 0;
  uint32_t kv_head_count = 0;  // divides head_count
  uint32_t head_dim = 0;
  uint32_t ffn_dim = 0;
  uint32_t vocab_size = 0;
  uint32_t context_length = 0;
  float norm_epsilon = 1e-5f;
  float attention_scale = 0;    // multiplies q.k; 1/sqrt(head_dim) for llama
  float attention_soft_cap = 0;  // scores s become cap tanh(s / cap); 0: they stay
  float logit_soft_cap = 0;      // logits, the same
  float embedding_scale = 1;     // token embeddings are multiplied by this
  Activation activation = Activation::kSilu;
  RopeConfig rope;
  // Layers that attend only to the last `window` positions, a row's own included. 0: none does.
  uint32_t window = 0;
  uint32_t window_period = 1;  // each this-many-th layer attends to all positions; 0: none does
  RopeConfig window_rope;      // of the layers that have a window
  // Mixture of experts: each row goes to `experts_used` of `expert_count`. 0: dense.
  uint32_t expert_count = 0;
  uint32_t experts_used = 0;
  uint32_t expert_ffn_dim = 0;

  bool windowed(uint32_t layer) const {
    return window > 0 && (window_period == 0 || layer % window_period != window_period - 1);
  }
  uint32_t q_dim() const { return head_count * head_dim; }
  uint32_t kv_dim() const { return kv_head_count * head_dim; }
};

// The tensors of one layer; null where the architecture has none.
// Matrices are [out rows, in cols]; GGUF's dims are {cols, rows}. A matrix that a file has fused
// with others is the part of it that has its rows. The matrices of all experts are one, of each
// expert's rows one after the other.
struct LayerTensors {
  const GgufTensor* attn_norm = nullptr;    // [hidden]
  const GgufTensor* attn_q = nullptr;       // [q_dim, hidden]
  const GgufTensor* attn_k = nullptr;       // [kv_dim, hidden]
  const GgufTensor* attn_v = nullptr;       // [kv_dim, hidden]
  const GgufTensor* attn_q_bias = nullptr;  // [q_dim], added to q; k's and v's [kv_dim]
  const GgufTensor* attn_k_bias = nullptr;
  const GgufTensor* attn_v_bias = nullptr;
  const GgufTensor* attn_q_norm = nullptr;  // [head_dim], of each head of q before it rotates
  const GgufTensor* attn_k_norm = nullptr;
  const GgufTensor* attn_sinks = nullptr;        // [heads], a score that has no value
  const GgufTensor* attn_output = nullptr;       // [hidden, q_dim]
  const GgufTensor* attn_output_bias = nullptr;  // [hidden]
  const GgufTensor* attn_post_norm = nullptr;    // [hidden], of what attention adds to x
  const GgufTensor* ffn_norm = nullptr;          // [hidden]
  const GgufTensor* ffn_gate = nullptr;          // [ffn, hidden]
  const GgufTensor* ffn_up = nullptr;            // [ffn, hidden]
  const GgufTensor* ffn_down = nullptr;          // [hidden, ffn]
  const GgufTensor* ffn_post_norm = nullptr;     // [hidden], of what the network adds to x
  const GgufTensor* router = nullptr;            // [experts, hidden]
  const GgufTensor* router_bias = nullptr;       // [experts]
  const GgufTensor* experts_gate = nullptr;      // [experts * expert_ffn, hidden]
  const GgufTensor* experts_up = nullptr;        // [experts * expert_ffn, hidden]
  const GgufTensor* experts_down = nullptr;      // [experts * hidden, expert_ffn]
  const GgufTensor* experts_gate_bias = nullptr;  // [experts, expert_ffn]
  const GgufTensor* experts_up_bias = nullptr;    // [experts, expert_ffn]
  const GgufTensor* experts_down_bias = nullptr;  // [experts, hidden]

  // Those that are there.
  std::vector<const GgufTensor*> present() const;
};

struct LayerRole;  // model/architecture.h

class Model {
 public:
  // Opens, recognises the architecture and checks that every tensor it needs is there with the
  // shape it must have, that norms are F32, and that no tensor is left over which would change what
  // the model computes. kUnsupported names an architecture or a feature that is not computed here
  // and what is; kCorrupt names the key or the tensor; else as GgufFile::open. Every message begins
  // with the path.
  static Result<Model> open(const std::string& path);

  const ModelConfig& config() const { return config_; }
  const GgufFile& file() const { return *file_; }
  const LayerTensors& layer(uint32_t index) const { return layers_[index]; }
  const GgufTensor& token_embedding() const { return *token_embedding_; }  // [vocab, hidden]
  const GgufTensor& output_norm() const { return *output_norm_; }          // [hidden]
  // [vocab, hidden]; the token embedding itself where the model ties them.
  const GgufTensor& output() const { return *output_; }

  // Every tensor of the file that a slice of layers [first, last) reads: its layers, the embedding
  // if it starts at layer 0, norm and output if it ends at layer_count.
  std::vector<const GgufTensor*> slice_tensors(uint32_t first_layer, uint32_t last_layer) const;

 private:
  Model() = default;
  Result<> load(const std::string& path);
  void take_parts(const GgufTensor& tensor, std::span<const LayerRole> roles, LayerTensors& layer);

  ModelConfig config_;
  std::unique_ptr<GgufFile> file_;
  std::vector<LayerTensors> layers_;
  std::vector<std::vector<const GgufTensor*>> layer_files_;  // of each layer, as the file has them
  std::deque<GgufTensor> parts_;                             // of the file's tensors
  const GgufTensor* token_embedding_ = nullptr;
  const GgufTensor* output_norm_ = nullptr;
  const GgufTensor* output_ = nullptr;
};

}  // namespace weft::model
