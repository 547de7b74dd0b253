// Metadata to ModelConfig. Every number has bounds, so that no later product can overflow.
#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/architecture.h"
#include "model/config_reader.h"

namespace weft::model {
namespace {

constexpr uint32_t kLayersMax = 1024;
constexpr uint32_t kHeadsMax = 1024;
constexpr uint32_t kDimMax = 1 << 20;
constexpr size_t kNameBytes = 120;
constexpr uint32_t kExpertsMax = 1024;
constexpr uint32_t kExpertsUsedMax = 64;
// expert_gating_func: both give the chosen experts' softmax.
constexpr uint64_t kGatingSoftmax = 1, kGatingSoftmaxOfChosen = 3;

Error unsupported(std::string message) {
  return Error(ErrorCode::kUnsupported, std::move(message));
}

Result<> read_experts(const GgufFile& file, const ConfigReader& reader,
                      const Architecture& architecture, ModelConfig& config) {
  const std::string key = reader.key("expert_count");
  uint64_t count = 0;
  if (file.has(key)) {
    WEFT_TRY(count, file.u64(key));
  }
  if (count == 0 && architecture.dense.empty()) {
    return Error(ErrorCode::kCorrupt, cat("metadata ", key, " is missing or 0; every ",
                                          architecture.name, " model has experts"));
  }
  if (count == 0) return {};
  if (architecture.experts.empty()) {
    return unsupported(cat("mixture of experts (", key, " is ", count, ") is not supported in ",
                           architecture.name, " models"));
  }
  const std::string gating = reader.key("expert_gating_func");
  if (file.has(gating)) {
    WEFT_TRY(const uint64_t function, file.u64(gating));
    if (function != kGatingSoftmax && function != kGatingSoftmaxOfChosen) {
      return unsupported(cat("metadata ", gating, " is ", function,
                             "; routers with a softmax (1, 3) are supported"));
    }
  }
  WEFT_TRY(config.expert_count, reader.count("expert_count", kExpertsMax));
  WEFT_TRY(config.experts_used,
           reader.count("expert_used_count", std::min(config.expert_count, kExpertsUsedMax)));
  WEFT_TRY(config.expert_ffn_dim,
           reader.count("expert_feed_forward_length", kDimMax, config.ffn_dim));
  return {};
}

Result<> read_heads(const ConfigReader& reader, ModelConfig& config) {
  WEFT_TRY(config.head_count, reader.count("attention.head_count", kHeadsMax));
  WEFT_TRY(config.kv_head_count,
           reader.count("attention.head_count_kv", kHeadsMax, config.head_count));
  if (config.head_count % config.kv_head_count != 0) {
    return Error(
        ErrorCode::kCorrupt,
        cat("metadata ", reader.key("attention.head_count_kv"), " is ", config.kv_head_count,
            ", which does not divide the ", config.head_count, " heads"));
  }
  // Where the file gives no head size, heads share the hidden dimension evenly.
  uint64_t even_dim = 0;
  if (config.hidden_dim % config.head_count == 0) even_dim = config.hidden_dim / config.head_count;
  WEFT_TRY(config.head_dim, reader.count("attention.key_length", kHeadDimMax, even_dim));
  WEFT_TRY(const uint32_t value_dim,
           reader.count("attention.value_length", kHeadDimMax, config.head_dim));
  if (value_dim != config.head_dim) {
    return unsupported(cat("heads with keys of ", config.head_dim, " and values of ", value_dim,
                           " elements are not supported; they must be equal"));
  }
  if (uint64_t(config.head_count) * config.head_dim > kDimMax) {
    return Error(ErrorCode::kCorrupt, cat(config.head_count, " heads of ", config.head_dim,
                                          " elements are more than ", kDimMax, " in all"));
  }
  return {};
}

// Caps, scales and windows: what a family has besides.
Result<> read_attention(const ConfigReader& reader, const Architecture& architecture,
                        ModelConfig& config) {
  const bool even = config.layer_count == architecture.even_scale_layers;
  const double scale_dim =
      even ? double(config.hidden_dim) / config.head_count : double(config.head_dim);
  WEFT_TRY(config.attention_scale, reader.positive("attention.scale", 1 / std::sqrt(scale_dim)));
  config.attention_soft_cap = architecture.attention_soft_cap;
  config.logit_soft_cap = architecture.logit_soft_cap;
  if (architecture.attention_soft_cap > 0) {
    WEFT_TRY(config.attention_soft_cap,
             reader.positive("attn_logit_softcapping", architecture.attention_soft_cap));
    WEFT_TRY(config.logit_soft_cap,
             reader.positive("final_logit_softcapping", architecture.logit_soft_cap));
  }
  if (architecture.window_period == 1) return {};
  const bool may_lack = architecture.window > 0 || architecture.window_period == 0;
  if (!reader.has("attention.sliding_window") && may_lack) {
    config.window = architecture.window;
  } else {
    WEFT_TRY(config.window, reader.count("attention.sliding_window", kContextMax));
  }
  // A window of the whole context is none.
  if (config.window >= config.context_length) config.window = 0;
  config.window_period = architecture.window_period;
  return {};
}

}  // namespace

Result<ModelConfig> read_config(const GgufFile& file, const Architecture& architecture) {
  const ConfigReader reader(file, architecture.name);
  ModelConfig config;
  config.architecture = architecture.name;
  config.activation = architecture.activation;
  if (file.has("general.name")) {
    WEFT_TRY(const std::string_view name, file.text("general.name"));
    config.name = printable(name, kNameBytes);
  }
  WEFT_TRY(config.layer_count, reader.count("block_count", kLayersMax));
  WEFT_TRY(config.hidden_dim, reader.count("embedding_length", kDimMax));
  WEFT_TRY(config.ffn_dim, reader.count("feed_forward_length", kDimMax));
  WEFT_TRY(config.context_length, reader.count("context_length", kContextMax));
  WEFT_TRY(config.norm_epsilon, reader.positive("attention.layer_norm_rms_epsilon", 1e-5));
  if (architecture.scaled_embedding) {
    config.embedding_scale = float(std::sqrt(double(config.hidden_dim)));
  }
  WEFT_CHECK(read_heads(reader, config));
  WEFT_CHECK(read_attention(reader, architecture, config));
  WEFT_CHECK(read_experts(file, reader, architecture, config));
  WEFT_CHECK(read_rope(file, reader, architecture, config));
  return config;
}

}  // namespace weft::model
