#include "node/command_info.h"

#include <algorithm>
#include <cstdio>
#include <iomanip>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "kernels/cpu/repack.h"
#include "kernels/slice_memory.h"
#include "kernels/weights.h"
#include "model/info.h"
#include "node/local_engine.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

// The tensors of one type of the file, in memory on the cpu backend (kernels/cpu/repack.h).
struct KeptShare {
  kernels::KeptAs as;
  uint64_t bytes = 0;
};

struct Facts {
  model::ModelInfo info;
  std::map<model::TensorType, KeptShare> kept;
  uint64_t layer_memory_max = 0;  // the largest layer's weights
  uint32_t context = 0;           // tokens the memory is stated for
  kernels::SliceMemory memory;
  std::string tokenizer;
  bool chat_template = false;

  uint64_t memory_bytes() const {
    return memory.weight_bytes + memory.kv_bytes + memory.scratch_bytes;
  }
};

std::string quantization_name(model::TensorType type) {
  return std::string(model::tensor_type_info(type).name);
}

Json facts_json(const Facts& facts) {
  const model::ModelConfig& config = facts.info.config;
  Json types = Json::array();
  for (const model::TypeShare& share : facts.info.types) {
    const KeptShare& kept = facts.kept.at(share.type);
    types.push_back({{"type", quantization_name(share.type)},
                     {"tensors", share.tensors},
                     {"bytes", share.bytes},
                     {"elements", share.elements},
                     {"computed_as", quantization_name(kept.as.type)},
                     {"rounded", !kept.as.exact},
                     {"memory_bytes", kept.bytes}});
  }
  return {
      {"name", config.name},
      {"architecture", config.architecture},
      {"file_bytes", facts.info.file_bytes},
      {"tensor_count", facts.info.tensor_count},
      {"tensor_bytes", facts.info.tensor_bytes},
      {"parameters", facts.info.parameters},
      {"quantization", std::move(types)},
      {"layer_count", config.layer_count},
      {"hidden_dim", config.hidden_dim},
      {"head_count", config.head_count},
      {"kv_head_count", config.kv_head_count},
      {"head_dim", config.head_dim},
      {"ffn_dim", config.ffn_dim},
      {"vocab_size", config.vocab_size},
      {"context_length", config.context_length},
      {"tied_output", facts.info.tied_output},
      {"layer_bytes_max", facts.info.layer_bytes_max},
      {"layer_memory_bytes_max", facts.layer_memory_max},
      {"kv_bytes_per_token",
       {{"f16", facts.info.kv_bytes_per_token_f16},
        {"f32", facts.info.kv_bytes_per_token_f32},
        {"windowed_f16", facts.info.window_kv_bytes_per_token_f16}}},
      {"window", config.window},
      {"windowed_layers", facts.info.windowed_layers},
      {"expert_count", config.expert_count},
      {"experts_used", config.experts_used},
      {"expert_ffn_dim", config.expert_ffn_dim},
      {"memory",
       {{"context_tokens", facts.context},
        {"weight_bytes", facts.memory.weight_bytes},
        {"kv_bytes", facts.memory.kv_bytes},
        {"scratch_bytes", facts.memory.scratch_bytes},
        {"total_bytes", facts.memory_bytes()}}},
      {"tokenizer", facts.tokenizer},
      {"chat_template", facts.chat_template}};
}

// What becomes of a type that is not computed as it is.
std::string kept_text(model::TensorType type, const KeptShare& kept) {
  if (kept.as.type == type) return "";
  return cat("; computed as ", quantization_name(kept.as.type),
             kept.as.exact ? " (same values): " : " (rounded to 8 bits): ",
             format_bytes(kept.bytes), " in memory");
}

void add_kept(const model::Model& model, Facts& facts) {
  for (const model::TypeShare& share : facts.info.types) {
    facts.kept[share.type].as = kernels::kept_as(share.type);
  }
  kernels::SliceWeights places;
  for (const kernels::SliceTensor& entry :
       kernels::list_slice_tensors(model, 0, model.config().layer_count, places)) {
    facts.kept[entry.tensor->type].bytes += kernels::kept_bytes(*entry.tensor, entry.use);
  }
  for (uint32_t i = 0; i < model.config().layer_count; ++i) {
    uint64_t bytes = 0;
    for (const model::GgufTensor* tensor : model.layer(i).present()) {
      bytes += kernels::kept_bytes(*tensor, tensor->dims.size() > 1 ? kernels::WeightUse::kMatmul
                                                                    : kernels::WeightUse::kLookup);
    }
    facts.layer_memory_max = std::max(facts.layer_memory_max, bytes);
  }
}

std::string facts_text(const Facts& facts) {
  const model::ModelConfig& config = facts.info.config;
  std::ostringstream out;
  const auto line = [&](std::string_view key, const std::string& value) {
    out << std::left << std::setw(16) << key << value << "\n";
  };
  line("name", config.name);
  line("architecture", config.architecture);
  line("file", cat(format_bytes(facts.info.file_bytes), ", ", facts.info.tensor_count, " tensors"));
  std::ostringstream millions;
  millions << std::fixed << std::setprecision(1) << double(facts.info.parameters) / 1e6 << " M";
  line("parameters", millions.str());
  for (const model::TypeShare& share : facts.info.types) {
    line(&share == &facts.info.types[0] ? "quantization" : "",
         cat(quantization_name(share.type), "  ", share.tensors, " tensors, ",
             format_bytes(share.bytes), kept_text(share.type, facts.kept.at(share.type))));
  }
  line("layers", cat(config.layer_count, ", the largest ", format_bytes(facts.layer_memory_max),
                     " in memory"));
  if (config.expert_count > 0) {
    line("width", cat(config.hidden_dim, ", ", config.experts_used, " of ", config.expert_count,
                      " experts of ", config.expert_ffn_dim, " for each token"));
  } else {
    line("width", cat(config.hidden_dim, ", feed-forward ", config.ffn_dim));
  }
  line("heads", cat(config.head_count, " of ", config.head_dim, ", ", config.kv_head_count,
                    " for keys and values"));
  line("vocabulary", cat(config.vocab_size, " (", facts.tokenizer, ")",
                         facts.info.tied_output ? ", output tied to the embedding" : ""));
  line("context", cat(config.context_length, " tokens"));
  line("KV cache", cat(format_bytes(facts.info.kv_bytes_per_token_f16), " per token (f16)"));
  if (facts.info.windowed_layers > 0) {
    line("", cat(format_bytes(facts.info.window_kv_bytes_per_token_f16), " of it in ",
                 facts.info.windowed_layers, " layers that keep a window of ", config.window,
                 " tokens only"));
  }
  line("memory", cat(format_bytes(facts.memory_bytes()), " with a context of ", facts.context,
                     " tokens: weights ", format_bytes(facts.memory.weight_bytes), ", KV cache ",
                     format_bytes(facts.memory.kv_bytes), ", scratch ",
                     format_bytes(facts.memory.scratch_bytes)));
  line("chat template", facts.chat_template ? "yes" : "no");
  return out.str();
}

}  // namespace

Result<> show_model(const std::string& model_path, bool json) {
  WEFT_TRY(const model::Model model, model::Model::open(model_path));
  Facts facts;
  facts.info = model::describe_model(model);
  add_kept(model, facts);
  WEFT_TRY(facts.context, context_of(model.config(), 0));
  kernels::SliceOptions slice;
  slice.last_layer = model.config().layer_count;
  slice.kv_tokens = facts.context;
  slice.window_streams = 1;
  WEFT_TRY(facts.memory, kernels::estimate_slice_memory(model, slice, "cpu"));
  const model::GgufFile& file = model.file();
  for (const char* key : {"tokenizer.ggml.model", "tokenizer.ggml.pre"}) {
    const auto value = file.text(key);
    if (value.ok()) facts.tokenizer += (facts.tokenizer.empty() ? "" : " ") + printable(*value);
  }
  facts.chat_template = file.has("tokenizer.chat_template");
  const std::string text =
      json ? facts_json(facts).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
           : facts_text(facts);
  std::fputs(text.c_str(), stdout);
  return {};
}

}  // namespace weft::node
