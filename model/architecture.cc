#include "model/architecture.h"

#include "base/text.h"

namespace weft::model {
namespace {

constexpr const Architecture* kArchitectures[] = {&kLlama,  &kQwen2,  &kQwen3, &kQwen3Moe,
                                                  &kGemma2, &kGemma3, &kPhi3,  &kGptOss};

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
    case Side::kHeads:
      return config.head_count;
    case Side::kExperts:
      return config.expert_count;
    case Side::kExpertFfn:
      return config.expert_ffn_dim;
    case Side::kFfn:
      return config.ffn_dim;
    case Side::kVocab:
      return config.vocab_size;
  }
  return 0;
}

std::vector<uint64_t> role_dims(const ModelConfig& config, std::span<const LayerRole> roles) {
  std::vector<uint64_t> dims = {side_length(config, roles[0].cols)};
  uint64_t rows = 0;
  for (const LayerRole& role : roles) rows += side_length(config, role.rows);
  if (roles[0].rows != Side::kNone) dims.push_back(rows);
  if (roles[0].depth != Side::kNone) dims.push_back(side_length(config, roles[0].depth));
  return dims;
}

std::vector<std::span<const LayerRole>> tensors_of(std::span<const LayerRole> roles) {
  std::vector<std::span<const LayerRole>> tensors;
  for (size_t begin = 0; begin < roles.size();) {
    size_t end = begin + 1;
    while (end < roles.size() && roles[end].suffix == roles[begin].suffix) ++end;
    tensors.push_back(roles.subspan(begin, end - begin));
    begin = end;
  }
  return tensors;
}

}  // namespace weft::model
