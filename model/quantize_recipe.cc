#include "model/quantize_recipe.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

#include "base/text.h"

namespace weft::model {
namespace {

constexpr std::array<QuantizeRecipe, 5> kRecipes = {{
    {"Q8_0", 7, TensorType::kQ8_0, TensorType::kQ8_0, TensorType::kQ8_0},
    {"Q6_K", 18, TensorType::kQ6_K, TensorType::kQ6_K, TensorType::kQ6_K},
    {"Q5_K_M", 17, TensorType::kQ5_K, TensorType::kQ6_K, TensorType::kQ6_K},
    {"Q4_K_M", 15, TensorType::kQ4_K, TensorType::kQ6_K, TensorType::kQ6_K},
    {"Q4_0", 2, TensorType::kQ4_0, TensorType::kQ6_K, TensorType::kQ4_0},
}};

// Parts of names of matrices that stay as they are: small ones that much depends on.
constexpr std::string_view kKept[] = {
    "_norm.weight",    "ffn_gate_inp.weight",  "position_embd", "token_types.weight",
    "ssm_conv1d",      "shortconv.conv",       "attn_rel_b",    "altup",
    "laurel",          "per_layer_model_proj", "time_mix",      "patch_embd",
    "ffn_gate_tid2eid"};

// Models of this many experts have small attention matrices: they get more bits.
constexpr uint64_t kExpertsOfSmallAttention = 8;
// Of this many layers, with keys and values shared among heads, attn_v is small too.
constexpr uint64_t kLayersOf70B = 80;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool is_quantized_matrix(const GgufTensor& tensor) {
  const auto wide = std::count_if(tensor.dims.begin() + 1, tensor.dims.end(),
                                  [](uint64_t dim) { return dim > 1; });
  if (wide == 0 || !tensor.name.ends_with("weight")) return false;
  return std::none_of(std::begin(kKept), std::end(kKept),
                      [&](std::string_view part) { return contains(tensor.name, part); });
}

bool is_value(std::string_view name) {
  return contains(name, "attn_v.weight") || contains(name, "attn_qkv.weight") ||
         contains(name, "attn_kv_b.weight");
}

// N of "blk.N.".
std::optional<uint64_t> layer_of(std::string_view name) {
  if (!name.starts_with("blk.")) return std::nullopt;
  uint64_t layer = 0;
  const auto [end, error] = std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  if (error != std::errc() || end == name.data() + name.size() || *end != '.') return std::nullopt;
  return layer;
}

bool more_bits(uint64_t layer, uint64_t layers) {
  const uint64_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

struct ModelFacts {
  uint64_t layers = 0;
  uint64_t experts = 0;
  bool tied = true;  // no output matrix: the token embedding serves
  bool is_70b = false;
  std::vector<uint64_t> value_layers;  // those that have a value matrix, ascending
};

ModelFacts facts_of(const GgufFile& file) {
  ModelFacts facts;
  const auto architecture = file.text("general.architecture");
  const auto number = [&](std::string_view key) {
    const auto found = file.u64(cat(architecture.ok() ? *architecture : "", ".", key));
    return found.ok() ? *found : 0;
  };
  facts.layers = number("block_count");
  facts.experts = number("expert_count");
  const uint64_t heads = number("attention.head_count");
  const uint64_t kv_heads = number("attention.head_count_kv");
  const bool grows_so = architecture.ok() && (*architecture == "llama" || *architecture == "qwen2");
  facts.is_70b = grows_so && facts.layers == kLayersOf70B && kv_heads != 0 && kv_heads != heads;
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name == "output.weight") facts.tied = false;
    const auto layer = layer_of(tensor.name);
    if (layer && is_value(tensor.name)) facts.value_layers.push_back(*layer);
  }
  std::sort(facts.value_layers.begin(), facts.value_layers.end());
  return facts;
}

TensorType wanted_type(const QuantizeRecipe& recipe, const ModelFacts& facts,
                       std::string_view name) {
  const bool embedding = name == "token_embd.weight";
  if (name == "output.weight" || (embedding && facts.tied)) return recipe.output;
  const bool small_attention = facts.experts == kExpertsOfSmallAttention;
  const uint64_t layer = layer_of(name).value_or(0);
  if (is_value(name)) {
    if (small_attention) return TensorType::kQ8_0;
    const auto at = std::lower_bound(facts.value_layers.begin(), facts.value_layers.end(), layer);
    const uint64_t rank = uint64_t(at - facts.value_layers.begin());
    if (more_bits(rank, facts.value_layers.size())) return recipe.more;
    const bool raise = facts.is_70b && recipe.base == TensorType::kQ4_K;
    return raise ? TensorType::kQ5_K : recipe.base;
  }
  if (contains(name, "ffn_down") && more_bits(layer, facts.layers)) return recipe.more;
  if (small_attention && contains(name, "attn_k.weight")) return TensorType::kQ8_0;
  if (small_attention && contains(name, "attn_output.weight") && recipe.base == TensorType::kQ4_K) {
    return TensorType::kQ5_K;
  }
  return recipe.base;
}

// For rows that are no whole blocks of 256.
TensorType substitute(TensorType type) {
  switch (type) {
    case TensorType::kQ4_K:
      return TensorType::kQ5_0;
    case TensorType::kQ5_K:
      return TensorType::kQ5_1;
    case TensorType::kQ6_K:
      return TensorType::kQ8_0;
    default:
      return TensorType::kF16;
  }
}

TensorType fitting(TensorType type, uint64_t cols) {
  if (cols % tensor_type_info(type).block_elements != 0) type = substitute(type);
  if (cols % tensor_type_info(type).block_elements != 0) type = TensorType::kF16;
  return type;
}

bool is_source(TensorType type) {
  return type == TensorType::kF32 || type == TensorType::kF16 || type == TensorType::kBF16 ||
         type == TensorType::kQ8_0;
}

}  // namespace

std::span<const QuantizeRecipe> quantize_recipes() {
  return kRecipes;
}

std::string quantize_recipe_names() {
  std::string names;
  for (const QuantizeRecipe& recipe : kRecipes) {
    names += cat(names.empty() ? "" : ", ", recipe.name);
  }
  return names;
}

Result<const QuantizeRecipe*> find_quantize_recipe(std::string_view name) {
  const auto same = [](char a, char b) {
    return std::toupper(uint8_t(a)) == std::toupper(uint8_t(b));
  };
  for (const QuantizeRecipe& recipe : kRecipes) {
    if (std::equal(name.begin(), name.end(), recipe.name.begin(), recipe.name.end(), same)) {
      return &recipe;
    }
  }
  return Error(ErrorCode::kInvalid, cat("there is no quantization '", printable(name),
                                        "' to choose; there are ", quantize_recipe_names()));
}

Result<std::vector<TensorType>> recipe_types(const QuantizeRecipe& recipe, const GgufFile& file) {
  if (const auto parts = file.u64("split.count"); parts.ok() && *parts > 1) {
    return Error(ErrorCode::kUnsupported,
                 cat("this file is one part of ", *parts, "; merge them into one file first: "
                     "llama-gguf-split --merge FIRST-PART.gguf WHOLE.gguf"));
  }
  const ModelFacts facts = facts_of(file);
  std::vector<TensorType> types;
  size_t matrices = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    if (!is_quantized_matrix(tensor)) {
      types.push_back(tensor.type);
      continue;
    }
    ++matrices;
    if (!is_source(tensor.type)) {
      return Error(ErrorCode::kUnsupported,
                   cat("tensor ", tensor.name, " is ", tensor_type_info(tensor.type).name,
                       " already: quantizing twice would lose what the first time has kept; start "
                       "from a file in F16, BF16, F32 or Q8_0"));
    }
    types.push_back(fitting(wanted_type(recipe, facts, tensor.name), tensor.dims[0]));
  }
  if (matrices == 0) {
    return Error(ErrorCode::kCorrupt, "the file has no matrices of weights: nothing to quantize");
  }
  return types;
}

}  // namespace weft::model
