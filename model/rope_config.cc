// Rotary embeddings from the metadata: every scaling becomes a scale, divisors and a magnitude.
#include <algorithm>
#include <cmath>

#include "model/config_reader.h"

namespace weft::model {
namespace {

// YaRN: frequencies that turn often within the original context stay, slow ones are divided by the
// factor, between them a ramp. Source: Peng et al. 2023, arXiv:2309.00071.
struct Yarn {
  double factor, original_context;
  double turns_fast = 32, turns_slow = 1;  // beta
  bool whole_dims = true;
};

// The pair of dimensions that turns `turns` times within the original context.
double pair_of_turns(const RopeConfig& rope, const Yarn& yarn, double turns) {
  constexpr double kTau = 6.283185307179586;
  return rope.dims * std::log(yarn.original_context / (turns * kTau)) /
         (2 * std::log(double(rope.base)));
}

void apply(const Yarn& yarn, double attention_factor, RopeConfig& rope) {
  double low = pair_of_turns(rope, yarn, yarn.turns_fast);
  double high = pair_of_turns(rope, yarn, yarn.turns_slow);
  if (yarn.whole_dims) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, double(rope.dims) - 1);
  rope.divisors.resize(rope.dims / 2);
  for (uint32_t i = 0; i < rope.dims / 2; ++i) {
    const double slow = std::clamp((i - low) / std::max(0.001, high - low), 0.0, 1.0);
    rope.divisors[i] = float(1 / (slow / yarn.factor + 1 - slow));
  }
  rope.magnitude = float(attention_factor * (1 + 0.1 * std::log(yarn.factor)));
}

Result<> read_yarn(const ConfigReader& reader, const Architecture& architecture,
                   const ModelConfig& config, RopeConfig& rope) {
  Yarn yarn;
  yarn.whole_dims = architecture.yarn_whole_dims;
  WEFT_TRY(yarn.factor, reader.positive("rope.scaling.factor", 1));
  WEFT_TRY(yarn.original_context, reader.count("rope.scaling.original_context_length", kContextMax,
                                               config.context_length));
  WEFT_TRY(yarn.turns_fast, reader.positive("rope.scaling.yarn_beta_fast", 32));
  WEFT_TRY(yarn.turns_slow, reader.positive("rope.scaling.yarn_beta_slow", 1));
  WEFT_TRY(const double attention_factor, reader.positive("rope.scaling.attn_factor", 1));
  if (yarn.factor < 1 || rope.base <= 1) {
    return Error(ErrorCode::kCorrupt, cat("YaRN with a factor of ", yarn.factor, " and a base of ",
                                          rope.base, "; both must be above 1"));
  }
  apply(yarn, attention_factor, rope);
  return {};
}

}  // namespace

Result<> read_rope(const GgufFile& file, const ConfigReader& reader,
                   const Architecture& architecture, ModelConfig& config) {
  RopeConfig& rope = config.rope;
  rope.interleaved = architecture.rope_interleaved;
  WEFT_TRY(rope.base, reader.positive("rope.freq_base", 10000));
  WEFT_TRY(rope.dims, reader.count("rope.dimension_count", kHeadDimMax, config.head_dim));
  if (rope.dims > config.head_dim || rope.dims % 2 != 0) {
    return Error(ErrorCode::kCorrupt,
                 cat("metadata ", reader.key("rope.dimension_count"), " is ", rope.dims,
                     "; it must be even and at most the head's ", config.head_dim));
  }
  config.window_rope = rope;
  WEFT_TRY(config.window_rope.base,
           reader.positive("rope.freq_base_swa",
                           architecture.window_rope_base > 0 ? architecture.window_rope_base
                                                             : rope.base));
  const std::string type_key = reader.key("rope.scaling.type");
  std::string_view type = "none";
  if (reader.has("rope.scaling.type")) {
    WEFT_TRY(type, file.text(type_key));
  } else if (reader.has("rope.scaling.original_context_length")) {
    type = "longrope";  // older files say so by their tensors only
  }
  if (type == "linear") {
    WEFT_TRY(const float factor, reader.positive("rope.scaling.factor", 1));
    rope.scale = 1 / factor;
  } else if (type == "yarn") {
    WEFT_CHECK(read_yarn(reader, architecture, config, rope));
  } else if (type == "longrope") {
    WEFT_TRY(rope.original_context, reader.count("rope.scaling.original_context_length",
                                                 kContextMax, config.context_length));
    WEFT_TRY(rope.magnitude, reader.positive("rope.scaling.attn_factor", 1));
  } else if (type != "none") {
    return Error(ErrorCode::kUnsupported,
                 cat("metadata ", type_key, " '", printable(type),
                     "' is not supported; none, linear, yarn and longrope are"));
  }
  return {};
}

}  // namespace weft::model
