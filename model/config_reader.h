// Numbers of a model's metadata, checked. Internal to config.cc and rope_config.cc.
#pragma once

#include <cmath>
#include <string>

#include "base/text.h"
#include "model/architecture.h"

namespace weft::model {

inline constexpr uint32_t kHeadDimMax = 4096;
inline constexpr uint32_t kContextMax = 1 << 28;

class ConfigReader {
 public:
  ConfigReader(const GgufFile& file, std::string_view prefix) : file_(file), prefix_(prefix) {}

  bool has(std::string_view name) const { return file_.has(key(name)); }
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

// config.rope and config.window_rope, from the metadata; rope_config.cc.
Result<> read_rope(const GgufFile& file, const ConfigReader& reader,
                   const Architecture& architecture, ModelConfig& config);

}  // namespace weft::model
