#include "model/model.h"

#include <cmath>
#include <cstring>
#include <set>

#include "base/text.h"
#include "model/architecture.h"

namespace weft::model {
namespace {

// Token ids are 32-bit; no published vocabulary has a million entries.
constexpr uint64_t kVocabMax = 1 << 24;

Error corrupt(std::string message) {
  return Error(ErrorCode::kCorrupt, std::move(message));
}

// One of several files that make a model; all but the first have no other metadata.
Result<> refuse_part(const GgufFile& file) {
  if (!file.has("split.count")) return {};
  WEFT_TRY(const uint64_t count, file.u64("split.count"));
  if (count <= 1) return {};
  return Error(ErrorCode::kUnsupported,
               cat("this is one of ", count, " files of a split GGUF; put them into one folder and "
                   "merge them: llama-gguf-split --merge FIRST-PART.gguf WHOLE.gguf"));
}

// Finds tensors and keeps count of those that were asked for.
class TensorBinder {
 public:
  TensorBinder(const GgufFile& file, const ModelConfig& config) : file_(file), config_(config) {}

  const GgufTensor* optional(const std::string& name) {
    const GgufTensor* tensor = file_.find(name);
    if (tensor != nullptr) bound_.insert(tensor);
    return tensor;
  }

  Result<const GgufTensor*> required(const std::string& name) {
    const GgufTensor* tensor = optional(name);
    if (tensor == nullptr) {
      return corrupt(cat("tensor ", name, " is missing; the file is incomplete or of a variant of ",
                         config_.architecture, " that is not supported"));
    }
    return tensor;
  }

  Result<const GgufTensor*> shaped(const std::string& name, Side rows, Side cols) {
    WEFT_TRY(const GgufTensor* tensor, required(name));
    WEFT_CHECK(check_shape(*tensor, rows, cols));
    return tensor;
  }

  Result<> check_shape(const GgufTensor& tensor, Side rows, Side cols) const {
    std::vector<uint64_t> wanted = {side_length(config_, cols)};
    if (rows != Side::kNone) wanted.push_back(side_length(config_, rows));
    return check_dims(tensor, wanted);
  }

  Result<> check_dims(const GgufTensor& tensor, const std::vector<uint64_t>& wanted) const {
    if (tensor.dims != wanted) {
      return corrupt(cat("tensor ", tensor.name, " is ", shape_text(tensor.dims), ", must be ",
                         shape_text(wanted), wanted.size() > 2 ? " (experts, rows, columns)"
                                                               : " (rows, columns)"));
    }
    const bool vector = wanted.size() == 1 || tensor.name.ends_with(".bias");
    if (vector && tensor.type != TensorType::kF32) {
      return Error(ErrorCode::kUnsupported,
                   cat("tensor ", tensor.name, " is of type ", tensor_type_info(tensor.type).name,
                       "; vectors must be F32"));
    }
    return {};
  }

  // A tensor nobody asked for belongs to a variant that we would compute wrongly.
  Result<> check_all_bound() const {
    for (const GgufTensor& tensor : file_.tensors()) {
      if (bound_.contains(&tensor)) continue;
      return Error(ErrorCode::kUnsupported,
                   cat("tensor ", printable(tensor.name), " has no place in a ",
                       config_.architecture, " model as weft computes it"));
    }
    return {};
  }

 private:
  const GgufFile& file_;
  const ModelConfig& config_;
  std::set<const GgufTensor*> bound_;
};

// The vocabulary has as many entries as the embedding has rows; the tokenizer, where the file has
// one, must agree.
Result<uint32_t> read_vocab_size(const GgufFile& file, const GgufTensor& embedding) {
  const uint64_t rows = embedding.dims.size() == 2 ? embedding.dims[1] : 0;
  if (rows == 0 || rows > kVocabMax) {
    return corrupt(cat("tensor ", embedding.name, " is ", shape_text(embedding.dims),
                       ", must be a matrix of at most ", kVocabMax, " rows"));
  }
  if (file.has("tokenizer.ggml.tokens")) {
    WEFT_TRY(const uint64_t tokens, file.array_size("tokenizer.ggml.tokens"));
    if (tokens != rows) {
      return corrupt(cat("the tokenizer has ", tokens, " tokens, but tensor ", embedding.name,
                         " has ", rows, " rows; they must be equal"));
    }
  }
  return uint32_t(rows);
}

// A file's divisors of the rotary frequencies, if it has them.
Result<std::vector<float>> read_divisors(TensorBinder& binder, const GgufFile& file,
                                         const std::string& name, uint32_t pairs) {
  std::vector<float> divisors;
  const GgufTensor* tensor = binder.optional(name);
  if (tensor == nullptr) return divisors;
  const std::vector<uint64_t> wanted = {pairs};
  if (tensor->dims != wanted || tensor->type != TensorType::kF32) {
    return corrupt(cat("tensor ", tensor->name, " is ", shape_text(tensor->dims), " of ",
                       tensor_type_info(tensor->type).name, ", must be ", shape_text(wanted),
                       " of F32: half of the rotated dimensions"));
  }
  divisors.resize(pairs);
  std::memcpy(divisors.data(), file.data(*tensor).data(), tensor->bytes);
  for (const float divisor : divisors) {
    if (std::isfinite(divisor) && divisor > 0) continue;
    return corrupt(cat("tensor ", tensor->name, " holds ", divisor,
                       "; divisors must be finite and above zero"));
  }
  return divisors;
}

// Of Llama 3.1 and later (rope_freqs), and of LongRoPE: one set for short streams, one for long.
Result<> read_rope_tensors(TensorBinder& binder, const GgufFile& file, RopeConfig& rope) {
  const uint32_t pairs = rope.dims / 2;
  WEFT_TRY(auto divisors, read_divisors(binder, file, "rope_freqs.weight", pairs));
  WEFT_TRY(auto for_long, read_divisors(binder, file, "rope_factors_long.weight", pairs));
  WEFT_TRY(auto for_short, read_divisors(binder, file, "rope_factors_short.weight", pairs));
  if (for_long.empty() != for_short.empty() || (!for_long.empty() && rope.original_context == 0)) {
    return corrupt("rope_factors_long.weight, rope_factors_short.weight and the metadata "
                   "rope.scaling.original_context_length go together; one of them is missing");
  }
  // YaRN's, from the metadata, stand where the file has no tensor.
  if (!divisors.empty()) rope.divisors = std::move(divisors);
  if (!for_short.empty()) rope.divisors = std::move(for_short);
  if (for_long.empty()) rope.original_context = 0;
  rope.long_divisors = std::move(for_long);
  return {};
}

}  // namespace

std::vector<const GgufTensor*> LayerTensors::present() const {
  std::vector<const GgufTensor*> tensors;
  for (const GgufTensor* tensor :
       {attn_norm,      attn_q,         attn_k,           attn_v,          attn_q_bias,
        attn_k_bias,    attn_v_bias,    attn_q_norm,      attn_k_norm,     attn_sinks,
        attn_output,    attn_output_bias, attn_post_norm, ffn_norm,        ffn_gate,
        ffn_up,         ffn_down,       ffn_post_norm,    router,          router_bias,
        experts_gate,   experts_up,     experts_down,     experts_gate_bias, experts_up_bias,
        experts_down_bias}) {
    if (tensor != nullptr) tensors.push_back(tensor);
  }
  return tensors;
}

Result<Model> Model::open(const std::string& path) {
  Model model;
  Result<> loaded = model.load(path);
  if (!loaded.ok()) return std::move(loaded).error().within(cat("cannot load ", path));
  return model;
}

Result<> Model::load(const std::string& path) {
  WEFT_TRY(GgufFile file, GgufFile::open(path));
  file_ = std::make_unique<GgufFile>(std::move(file));
  WEFT_CHECK(refuse_part(*file_));
  WEFT_TRY(const std::string_view name, file_->text("general.architecture"));
  const Architecture* architecture = find_architecture(name);
  if (architecture == nullptr) {
    return Error(ErrorCode::kUnsupported,
                 cat("architecture '", printable(name),
                     "' is not supported (supported: ", architecture_names(), ")"));
  }
  WEFT_TRY(config_, read_config(*file_, *architecture));

  TensorBinder binder(*file_, config_);
  WEFT_TRY(token_embedding_, binder.required("token_embd.weight"));
  WEFT_TRY(config_.vocab_size, read_vocab_size(*file_, *token_embedding_));
  WEFT_CHECK(binder.check_shape(*token_embedding_, Side::kVocab, Side::kHidden));
  WEFT_TRY(output_norm_, binder.shaped("output_norm.weight", Side::kNone, Side::kHidden));
  output_ = binder.optional("output.weight");
  if (output_ == nullptr) output_ = token_embedding_;
  WEFT_CHECK(binder.check_shape(*output_, Side::kVocab, Side::kHidden));
  WEFT_CHECK(read_rope_tensors(binder, *file_, config_.rope));
  if (architecture->window_rope_base == 0) config_.window_rope = config_.rope;

  layers_.resize(config_.layer_count);
  layer_files_.resize(config_.layer_count);
  const auto& network = config_.expert_count > 0 ? architecture->experts : architecture->dense;
  for (uint32_t i = 0; i < config_.layer_count; ++i) {
    for (const auto& roles : {architecture->attention, network, architecture->more}) {
      for (const auto& same : tensors_of(roles)) {
        WEFT_TRY(const GgufTensor* tensor, binder.required(cat("blk.", i, ".", same[0].suffix)));
        layer_files_[i].push_back(tensor);
        WEFT_CHECK(binder.check_dims(*tensor, role_dims(config_, same)));
        take_parts(*tensor, same, layers_[i]);
      }
    }
  }
  return binder.check_all_bound();
}

// Rows of a tensor lie one after the other, whatever its type: parts of it are tensors too.
void Model::take_parts(const GgufTensor& tensor, std::span<const LayerRole> roles,
                       LayerTensors& layer) {
  if (roles.size() == 1 && tensor.dims.size() < 3) {
    layer.*roles[0].member = &tensor;
    return;
  }
  uint64_t offset = tensor.offset;
  for (const LayerRole& role : roles) {
    const uint64_t cols = tensor.dims[0];
    const uint64_t rows = side_length(config_, role.rows) * side_length(config_, role.depth);
    const uint64_t bytes = tensor_bytes(tensor.type, rows * cols);
    parts_.push_back({tensor.name, tensor.type, {cols, rows}, offset, bytes, rows * cols});
    layer.*role.member = &parts_.back();
    offset += bytes;
  }
}

std::vector<const GgufTensor*> Model::slice_tensors(uint32_t first_layer,
                                                    uint32_t last_layer) const {
  WEFT_ASSERT(first_layer <= last_layer && last_layer <= config_.layer_count);
  std::vector<const GgufTensor*> tensors;
  if (first_layer == 0) tensors.push_back(token_embedding_);
  for (uint32_t i = first_layer; i < last_layer; ++i) {
    tensors.insert(tensors.end(), layer_files_[i].begin(), layer_files_[i].end());
  }
  if (last_layer == config_.layer_count) {
    tensors.push_back(output_norm_);
    if (output_ != token_embedding_ || first_layer != 0) tensors.push_back(output_);
  }
  return tensors;
}

}  // namespace weft::model
