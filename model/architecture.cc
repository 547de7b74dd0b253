#include "model/architecture.h"

#include "base/text.h"

namespace weft::model {
namespace {

constexpr const Architecture* kArchitectures[] = {&kLlama, &kQwen2, &kQwen3};

}  // namespace

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture* architecture : kArchitectures) {
    if (architecture->name == name) return architecture;
  }
  return nullptr;
}

std::string architecture_names() {
  std::string names;
  for (const Architecture* architecture : kArchitectures) {
    names += cat(names.empty() ? "" : ", ", architecture->name);
  }
  return names;
}

uint64_t side_length(const ModelConfig& config, Side side) {
  switch (side) {
    case Side::kNone:
      return 1;
    case Side::kHidden:
      return config.hidden_dim;
    case Side::kQ:
      return config.q_dim();
    case Side::kKv:
      return config.kv_dim();
    case Side::kHead:
      return config.head_dim;
    case Side::kFfn:
      return config.ffn_dim;
    case Side::kVocab:
      return config.vocab_size;
  }
  return 0;
}

}  // namespace weft::model
