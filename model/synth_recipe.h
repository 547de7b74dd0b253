// The shapes and quantization mixes of synthetic models, as data. Internal to model/synth.cc.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/tensor_type.h"

namespace weft::model {

struct SynthShape {
  std::string_view name;
  uint32_t layers, hidden, heads, kv_heads, head_dim, ffn, vocab;
  bool tied;  // the output matrix is the token embedding
  uint32_t context;
  float rope_base;
  float rope_factor;  // of the architecture's scaling of frequencies; 0: none
  std::string_view architecture = "llama";  // empty: any
  uint32_t window = 0;
  uint32_t experts = 0, experts_used = 0, expert_ffn = 0;
};

// A quantization as users name it. `more` is used for attn_v and ffn_down of about half of the
// layers and for the output matrix, as in the published K-quant mixes.
struct SynthQuant {
  std::string_view name;
  uint32_t file_type;  // general.file_type
  TensorType base;
  TensorType more;
};

const std::vector<SynthShape>& all_synth_shapes();
const std::vector<SynthQuant>& all_synth_quants();

enum class TensorUse { kEmbedding, kOutput, kTiedOutput, kValueOrDown, kOther };

// The type of a tensor with rows of `cols` elements in layer `layer` of `layers`.
TensorType synth_type(const SynthQuant& quant, TensorUse use, uint32_t layer, uint32_t layers,
                      uint64_t cols);

// Frequency divisors of Llama 3.1 and later, [head_dim / 2]. Source: Grattafiori et al. 2024,
// arXiv:2407.21783, with the constants of the published configurations (1, 4, 8192).
std::vector<float> llama3_rope_divisors(uint32_t head_dim, float base, float factor);

}  // namespace weft::model
