// Metadata to ModelConfig. Every number has bounds, so that no later product can overflow.
#include <cmath>

#include "base/text.h"
#include "model/architecture.h"

namespace weft::model {
namespace {

constexpr uint32_t kLayersMax = 1024;
constexpr uint32_t kHeadsMax = 1024;
constexpr uint32_t kHeadDimMax = 4096;
constexpr uint32_t kDimMax = 1 << 20;
constexpr uint32_t kContextMax = 1 << 28;
constexpr size_t kNameBytes = 120;

class ConfigReader {
 public:
  ConfigReader(const GgufFile& file, std::string_view prefix) : file_(file), prefix_(prefix) {}

  std::string key(std::string_view name) const { return cat(prefix_, ".", name); }

  // A whole number from 1 to `most`; `otherwise` where the key is absent, 0 meaning it must be
  // there.
  Result<uint32_t> count(std::string_view name, uint32_t most, uint64_t otherwise = 0) const {
    const std::string full = key(name);
    auto read = file_.u64(full);
    uint64_t value = otherwise;
    if (read.ok()) {
      value = *read;
    } else if (read.error().code != ErrorCode::kNotFound || otherwise == 0) {
      return Error(ErrorCode::kCorrupt, std::move(read).error().message);
    }
    if (value == 0 || value > most) {
      return Error(ErrorCode::kCorrupt,
                   cat("metadata ", full, " is ", value, "; it must be 1 to ", most));
    }
    return uint32_t(value);
  }

  // A finite number above zero; `otherwise` where the key is absent.
  Result<float> positive(std::string_view name, double otherwise) const {
    const std::string full = key(name);
    if (!file_.has(full)) return float(otherwise);
    WEFT_TRY(const double value, file_.f64(full));
    const float narrow = float(value);
    if (!std::isfinite(narrow) || narrow <= 0) {
      return Error(ErrorCode::kCorrupt,
                   cat("metadata ", full, " is ", value, "; it must be finite and above zero"));
    }
    return narrow;
  }

 private:
  const GgufFile& file_;
  std::string_view prefix_;
};

Error unsupported(std::string message) {
  return Error(ErrorCode::kUnsupported, std::move(message));
}

// Features of the format that would change what the model computes.
Result<> refuse_unsupported(const GgufFile& file, const ConfigReader& reader) {
  const std::string experts = reader.key("expert_count");
  if (file.has(experts)) {
    WEFT_TRY(const uint64_t count, file.u64(experts));
    if (count > 0) {
      return unsupported(cat("mixture of experts (", experts, " is ", count,
                             ") is not supported; choose a dense model"));
    }
  }
  if (file.has("split.count")) {
    WEFT_TRY(const uint64_t count, file.u64("split.count"));
    if (count > 1) {
      return unsupported(
          cat("this is one of ", count, " files of a split GGUF; merge them into one first"));
    }
  }
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
  config.attention_scale = float(1 / std::sqrt(double(config.head_dim)));
  return {};
}

Result<> read_rope(const GgufFile& file, const ConfigReader& reader, ModelConfig& config) {
  RopeConfig& rope = config.rope;
  WEFT_TRY(rope.base, reader.positive("rope.freq_base", 10000));
  WEFT_TRY(rope.dims, reader.count("rope.dimension_count", kHeadDimMax, config.head_dim));
  if (rope.dims > config.head_dim || rope.dims % 2 != 0) {
    return Error(ErrorCode::kCorrupt,
                 cat("metadata ", reader.key("rope.dimension_count"), " is ", rope.dims,
                     "; it must be even and at most the head's ", config.head_dim));
  }
  const std::string type_key = reader.key("rope.scaling.type");
  std::string_view type = "none";
  if (file.has(type_key)) {
    WEFT_TRY(type, file.text(type_key));
  }
  if (type == "linear") {
    WEFT_TRY(const float factor, reader.positive("rope.scaling.factor", 1));
    rope.scale = 1 / factor;
  } else if (type != "none") {
    return unsupported(cat("metadata ", type_key, " '", printable(type),
                           "' is not supported; none and linear are"));
  }
  return {};
}

}  // namespace

Result<ModelConfig> read_config(const GgufFile& file, const Architecture& architecture) {
  const ConfigReader reader(file, architecture.name);
  ModelConfig config;
  config.architecture = architecture.name;
  config.rope.interleaved = architecture.rope_interleaved;
  if (file.has("general.name")) {
    WEFT_TRY(const std::string_view name, file.text("general.name"));
    config.name = printable(name, kNameBytes);
  }
  WEFT_CHECK(refuse_unsupported(file, reader));
  WEFT_TRY(config.layer_count, reader.count("block_count", kLayersMax));
  WEFT_TRY(config.hidden_dim, reader.count("embedding_length", kDimMax));
  WEFT_TRY(config.ffn_dim, reader.count("feed_forward_length", kDimMax));
  WEFT_TRY(config.context_length, reader.count("context_length", kContextMax));
  WEFT_TRY(config.norm_epsilon, reader.positive("attention.layer_norm_rms_epsilon", 1e-5));
  WEFT_CHECK(read_heads(reader, config));
  WEFT_CHECK(read_rope(file, reader, config));
  return config;
}

}  // namespace weft::model
