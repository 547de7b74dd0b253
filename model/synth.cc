#include "model/synth.h"

#include <cmath>
#include <cstring>
#include <map>

#include "base/random.h"
#include "base/text.h"
#include "model/architecture.h"
#include "model/byte_pair.h"
#include "model/gguf_writer.h"
#include "model/quantize.h"
#include "model/synth_recipe.h"

namespace weft::model {
namespace {

constexpr uint32_t kSynthLayersMax = 1024;
// Tensors up to this many elements are drawn afresh, larger ones from the pool.
constexpr uint64_t kFreshElementsMax = 1 << 14;
constexpr uint64_t kPoolUnits = 2048;
constexpr uint64_t kSlowPoolUnits = 256;  // of types that are slow to quantize
constexpr uint64_t kUnitElements = 256;  // a multiple of every type's block
constexpr uint64_t kChunkElements = 1 << 20;
constexpr uint32_t kSmallWindow = 24;
constexpr uint32_t kSmallExperts = 4;
constexpr float kSmallRopeFactor = 32;
// Contexts before they were extended, as published.
constexpr uint32_t kOriginalContext = 4096;

// Written before a conversation's turns are tokens of their own: plain words.
constexpr std::string_view kChatTemplate =
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}";

struct PlannedTensor {
  TensorType type;
  uint64_t elements = 0;
  float mean = 0;
  float deviation = 0;
  std::vector<float> fixed = {};  // these values instead of random ones
};

class Synthesizer {
 public:
  Synthesizer(const SynthOptions& options, const Architecture& architecture,
              const SynthShape& shape, const SynthQuant& quant)
      : options_(options),
        architecture_(architecture),
        shape_(shape),
        quant_(quant),
        layers_(options.layers.value_or(shape.layers)),
        tied_(shape.tied),
        rope_factor_(shape.rope_factor) {
    config_.hidden_dim = shape.hidden;
    config_.head_count = shape.heads;
    config_.kv_head_count = shape.kv_heads;
    config_.head_dim = shape.head_dim;
    config_.ffn_dim = shape.ffn;
    config_.window = shape.window;
    config_.expert_count = shape.experts;
    config_.experts_used = shape.experts_used;
    config_.expert_ffn_dim = shape.expert_ffn;
    if (!shape.architecture.empty()) return;
    // A shape of any architecture: as much of each thing as is needed to see it.
    tied_ = architecture.name != kPhi3.name && architecture.name != kGptOss.name;
    if (architecture.name == kGptOss.name) rope_factor_ = kSmallRopeFactor;
    if (architecture.window_period != 1) config_.window = kSmallWindow;
    if (architecture.dense.empty()) {
      config_.expert_count = kSmallExperts;
      config_.experts_used = kSmallExperts / 2;
      config_.expert_ffn_dim = shape.ffn;
    }
  }

  Result<> run(const SynthProgress& progress) {
    add_config();
    add_vocabulary();
    add_tensors();
    WEFT_CHECK(writer_.open(options_.path));
    const uint64_t total = writer_.data_bytes();
    uint64_t done = 0;
    for (size_t i = 0; i < planned_.size(); ++i) {
      const auto step = [&](uint64_t bytes) {
        done += bytes;
        if (progress) progress(done, total);
      };
      WEFT_CHECK(write_tensor(planned_[i], i, step));
    }
    return writer_.finish();
  }

 private:
  void add_config() {
    const auto count = [&](std::string_view key, uint32_t value) {
      writer_.u32(key_of(key), value);
    };
    writer_.text("general.architecture", architecture_.name);
    writer_.text("general.name", cat("synthetic ", shape_.name, " ", quant_.name));
    writer_.u32("general.file_type", quant_.file_type);
    count("context_length", shape_.context);
    count("embedding_length", shape_.hidden);
    count("block_count", layers_);
    count("feed_forward_length", shape_.ffn);
    count("attention.head_count", shape_.heads);
    count("attention.head_count_kv", shape_.kv_heads);
    count("attention.key_length", shape_.head_dim);
    count("attention.value_length", shape_.head_dim);
    count("rope.dimension_count", shape_.head_dim);
    count("vocab_size", shape_.vocab);
    writer_.f32(key_of("attention.layer_norm_rms_epsilon"), 1e-5f);
    writer_.f32(key_of("rope.freq_base"), shape_.rope_base);
    if (config_.window > 0) count("attention.sliding_window", config_.window);
    if (config_.expert_count > 0) {
      count("expert_count", config_.expert_count);
      count("expert_used_count", config_.experts_used);
      count("expert_feed_forward_length", config_.expert_ffn_dim);
    }
    add_rope_scaling();
  }

  std::string key_of(std::string_view key) const { return cat(architecture_.name, ".", key); }

  // The llama family has its own as a tensor.
  void add_rope_scaling() {
    if (rope_factor_ == 0 || architecture_.name == kLlama.name) return;
    const bool linear = architecture_.name == kGemma3.name;
    if (architecture_.name != kPhi3.name) {
      writer_.text(key_of("rope.scaling.type"), linear ? "linear" : "yarn");
      writer_.f32(key_of("rope.scaling.factor"), rope_factor_);
    }
    if (!linear) writer_.u32(key_of("rope.scaling.original_context_length"), kOriginalContext);
    if (architecture_.name == kPhi3.name) {
      const double growth = 1 + std::log(rope_factor_) / std::log(kOriginalContext);
      writer_.f32(key_of("rope.scaling.attn_factor"), float(std::sqrt(growth)));
    }
  }

  // The 256 bytes, a few merged pairs, filler words, and two control tokens at the end.
  void add_vocabulary() {
    constexpr std::string_view kMerges[][2] = {{" ", "t"}, {"h", "e"}, {" ", "a"},  {"i", "n"},
                                               {"r", "e"}, {"o", "n"}, {" t", "he"}};
    std::vector<std::string> tokens, merges;
    for (int byte = 0; byte < 256; ++byte) {
      const char c = char(byte);
      tokens.push_back(to_byte_alphabet({&c, 1}));
    }
    for (const auto& [left, right] : kMerges) {
      merges.push_back(cat(to_byte_alphabet(left), " ", to_byte_alphabet(right)));
      tokens.push_back(to_byte_alphabet(cat(left, right)));
    }
    while (tokens.size() + 2 < shape_.vocab) {
      tokens.push_back(to_byte_alphabet(cat(" w", tokens.size())));
    }
    tokens.insert(tokens.end(), {"<|bos|>", "<|eos|>"});
    std::vector<int32_t> kinds(tokens.size(), int32_t(TokenKind::kNormal));
    kinds[kinds.size() - 2] = kinds.back() = int32_t(TokenKind::kControl);
    writer_.text("tokenizer.ggml.model", "gpt2");
    writer_.text("tokenizer.ggml.pre", "llama-bpe");
    writer_.texts("tokenizer.ggml.tokens", tokens);
    writer_.integers("tokenizer.ggml.token_type", kinds);
    writer_.texts("tokenizer.ggml.merges", merges);
    writer_.u32("tokenizer.ggml.bos_token_id", shape_.vocab - 2);
    writer_.u32("tokenizer.ggml.eos_token_id", shape_.vocab - 1);
    writer_.boolean("tokenizer.ggml.add_bos_token", true);
    writer_.text("tokenizer.chat_template", kChatTemplate);
  }

  void add(const std::string& name, const std::vector<uint64_t>& dims, PlannedTensor tensor) {
    tensor.elements = 1;
    for (const uint64_t dim : dims) tensor.elements *= dim;
    writer_.tensor(name, tensor.type, dims);
    planned_.push_back(std::move(tensor));
  }

  // One or several of `dims[1]` rows of `dims[0]`.
  void add_matrix(const std::string& name, const std::vector<uint64_t>& dims, TensorType type) {
    add(name, dims, {.type = type, .deviation = float(1 / std::sqrt(double(dims[0])))});
  }

  // A vector, or several: norms near 1, biases and sinks near 0.
  void add_vectors(const std::string& name, const std::vector<uint64_t>& dims) {
    const float mean = name.ends_with("norm.weight") ? 1.0f : 0.0f;
    add(name, dims, {.type = TensorType::kF32, .mean = mean, .deviation = 0.1f});
  }

  void add_divisors(const std::string& name, std::vector<float> divisors) {
    const std::vector<uint64_t> dims = {divisors.size()};
    add(name, dims, {.type = TensorType::kF32, .fixed = std::move(divisors)});
  }

  void add_tensors() {
    const uint64_t hidden = shape_.hidden;
    const auto add_table = [&](const std::string& name, TensorUse use) {
      add_matrix(name, {hidden, shape_.vocab}, synth_type(quant_, use, 0, layers_, hidden));
    };
    add_table("token_embd.weight", tied_ ? TensorUse::kTiedOutput : TensorUse::kEmbedding);
    if (!tied_) add_table("output.weight", TensorUse::kOutput);
    add_vectors("output_norm.weight", {hidden});
    if (rope_factor_ > 0 && architecture_.name == kLlama.name) {
      add_divisors("rope_freqs.weight",
                   llama3_rope_divisors(shape_.head_dim, shape_.rope_base, rope_factor_));
    }
    if (rope_factor_ > 0 && architecture_.name == kPhi3.name) {
      const uint32_t pairs = shape_.head_dim / 2;
      std::vector<float> growing(pairs);
      for (uint32_t i = 0; i < pairs; ++i) {
        growing[i] = 1 + (rope_factor_ - 1) * float(i) / float(pairs - 1);
      }
      add_divisors("rope_factors_long.weight", growing);
      add_divisors("rope_factors_short.weight", std::vector<float>(pairs, 1));
    }
    for (uint32_t i = 0; i < layers_; ++i) {
      const auto& network = config_.expert_count > 0 ? architecture_.experts : architecture_.dense;
      for (const auto& roles : {architecture_.attention, network, architecture_.more}) {
        for (const auto& same : tensors_of(roles)) add_layer_tensor(i, same);
      }
    }
  }

  void add_layer_tensor(uint32_t layer, std::span<const LayerRole> roles) {
    const std::string name = cat("blk.", layer, ".", roles[0].suffix);
    const std::vector<uint64_t> dims = role_dims(config_, roles);
    const auto member = roles[0].member;
    if (dims.size() == 1 || name.ends_with(".bias")) return add_vectors(name, dims);
    const bool value_or_down = member == &LayerTensors::attn_v ||
                               member == &LayerTensors::ffn_down ||
                               member == &LayerTensors::experts_down;
    const TensorUse use = value_or_down ? TensorUse::kValueOrDown : TensorUse::kOther;
    const TensorType type = member == &LayerTensors::router
                                ? TensorType::kF32
                                : synth_type(quant_, use, layer, layers_, dims[0]);
    add_matrix(name, dims, type);
  }

  static Bytes draw(const PlannedTensor& tensor, uint64_t elements, Random& random) {
    std::vector<float> values(elements);
    for (float& value : values) {
      value = tensor.mean + tensor.deviation * float(random.normal());
    }
    return quantize(tensor.type, values);
  }

  // The units for this type and deviation; made when first needed, always from the same numbers.
  const Bytes& pool(const PlannedTensor& tensor) {
    if (normals_.empty()) {
      Random random(options_.seed);
      normals_.resize(kPoolUnits * kUnitElements);
      for (float& value : normals_) value = float(random.normal());
    }
    Bytes& units = pools_[{tensor.type, tensor.deviation}];
    if (units.empty()) {
      const bool slow = tensor.type == TensorType::kIQ1_S || tensor.type == TensorType::kIQ1_M;
      std::vector<float> values((slow ? kSlowPoolUnits : kPoolUnits) * kUnitElements);
      for (size_t i = 0; i < values.size(); ++i) values[i] = normals_[i] * tensor.deviation;
      units = quantize(tensor.type, values);
    }
    return units;
  }

  template <typename Step>
  Result<> write_tensor(const PlannedTensor& tensor, size_t index, Step step) {
    if (!tensor.fixed.empty()) {
      const Bytes bytes = quantize(tensor.type, tensor.fixed);
      step(bytes.size());
      return writer_.write(bytes);
    }
    // Each tensor has a stream of its own, so that fewer layers leave the others as they were.
    const auto words = philox4x32({uint32_t(index), 0, 0, 1}, options_.seed);
    Random random(uint64_t(words[1]) << 32 | words[0]);
    const uint64_t unit_bytes = tensor_bytes(tensor.type, kUnitElements);
    for (uint64_t at = 0; at < tensor.elements; at += kChunkElements) {
      const uint64_t elements = std::min(kChunkElements, tensor.elements - at);
      Bytes bytes;
      if (tensor.elements <= kFreshElementsMax) {
        bytes = draw(tensor, elements, random);
      } else {
        const Bytes& units = pool(tensor);
        bytes.resize(tensor_bytes(tensor.type, elements));
        for (uint64_t to = 0; to < bytes.size(); to += unit_bytes) {
          const uint64_t unit = random.below(units.size() / unit_bytes);
          std::memcpy(bytes.data() + to, units.data() + unit * unit_bytes,
                      std::min<uint64_t>(unit_bytes, bytes.size() - to));
        }
      }
      WEFT_CHECK(writer_.write(bytes));
      step(bytes.size());
    }
    return {};
  }

  const SynthOptions& options_;
  const Architecture& architecture_;
  const SynthShape& shape_;
  const SynthQuant& quant_;
  const uint32_t layers_;
  bool tied_;
  float rope_factor_;
  ModelConfig config_;
  GgufWriter writer_;
  std::vector<PlannedTensor> planned_;
  std::vector<float> normals_;  // [kPoolUnits * kUnitElements], mean 0, variance 1
  std::map<std::pair<TensorType, float>, Bytes> pools_;
};

template <typename Row>
std::string names_of(const std::vector<Row>& rows) {
  std::string names;
  for (const Row& row : rows) names += cat(names.empty() ? "" : ", ", row.name);
  return names;
}

template <typename Row>
Result<const Row*> choose(const std::vector<Row>& rows, std::string_view what,
                          const std::string& name) {
  for (const Row& row : rows) {
    if (row.name == name) return &row;
  }
  return Error(ErrorCode::kInvalid,
               cat("there is no ", what, " '", name, "'; choose one of ", names_of(rows)));
}

}  // namespace

std::string synth_shapes() {
  return names_of(all_synth_shapes());
}
std::string synth_architectures() {
  return architecture_names();
}
std::string synth_quants() {
  return names_of(all_synth_quants());
}

Result<> write_synthetic(const SynthOptions& options, const SynthProgress& progress) {
  if (options.layers && (*options.layers == 0 || *options.layers > kSynthLayersMax)) {
    return Error(ErrorCode::kInvalid, cat("a model of ", *options.layers,
                                          " layers cannot be; choose 1 to ", kSynthLayersMax));
  }
  WEFT_TRY(const SynthShape* shape, choose(all_synth_shapes(), "shape", options.shape));
  WEFT_TRY(const SynthQuant* quant, choose(all_synth_quants(), "quantization", options.quant));
  std::string_view name = shape->architecture.empty() ? kLlama.name : shape->architecture;
  if (!options.architecture.empty()) name = options.architecture;
  const Architecture* architecture = find_architecture(name);
  if (architecture == nullptr) {
    return Error(ErrorCode::kInvalid, cat("there is no architecture '", name,
                                          "'; choose one of ", architecture_names()));
  }
  if (!shape->architecture.empty() && name != shape->architecture) {
    return Error(ErrorCode::kInvalid, cat("the shape ", shape->name, " is of the architecture ",
                                          shape->architecture, ", not ", name));
  }
  return Synthesizer(options, *architecture, *shape, *quant).run(progress);
}

}  // namespace weft::model
