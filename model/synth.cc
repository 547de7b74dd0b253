#include "model/synth.h"

#include <cmath>
#include <cstring>
#include <map>

#include "base/random.h"
#include "base/text.h"
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

// Written before a conversation's turns are tokens of their own: plain words.
constexpr std::string_view kChatTemplate =
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}";

struct PlannedTensor {
  TensorType type;
  uint64_t elements;
  float mean;
  float deviation;
  std::vector<float> fixed;  // these values instead of random ones
};

class Synthesizer {
 public:
  Synthesizer(const SynthOptions& options, const SynthShape& shape, const SynthQuant& quant)
      : options_(options),
        shape_(shape),
        quant_(quant),
        layers_(options.layers.value_or(shape.layers)) {}

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
      writer_.u32(cat(options_.architecture, ".", key), value);
    };
    writer_.text("general.architecture", options_.architecture);
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
    writer_.f32(cat(options_.architecture, ".attention.layer_norm_rms_epsilon"), 1e-5f);
    writer_.f32(cat(options_.architecture, ".rope.freq_base"), shape_.rope_base);
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

  void add_matrix(const std::string& name, uint64_t rows, uint64_t cols, TensorUse use,
                  uint32_t layer = 0) {
    const TensorType type = synth_type(quant_, use, layer, layers_, cols);
    writer_.tensor(name, type, {cols, rows});
    planned_.push_back({type, rows * cols, 0, float(1 / std::sqrt(double(cols))), {}});
  }

  void add_norm(const std::string& name) {
    writer_.tensor(name, TensorType::kF32, {shape_.hidden});
    planned_.push_back({TensorType::kF32, shape_.hidden, 1, 0.1f, {}});
  }

  void add_tensors() {
    const uint64_t hidden = shape_.hidden;
    const uint64_t q_dim = uint64_t(shape_.heads) * shape_.head_dim;
    const uint64_t kv_dim = uint64_t(shape_.kv_heads) * shape_.head_dim;
    add_matrix("token_embd.weight", shape_.vocab, hidden,
               shape_.tied ? TensorUse::kTiedOutput : TensorUse::kEmbedding);
    if (!shape_.tied) add_matrix("output.weight", shape_.vocab, hidden, TensorUse::kOutput);
    add_norm("output_norm.weight");
    if (shape_.rope_factor > 0) {
      writer_.tensor("rope_freqs.weight", TensorType::kF32, {shape_.head_dim / 2});
      planned_.push_back(
          {TensorType::kF32, shape_.head_dim / 2, 0, 0,
           llama3_rope_divisors(shape_.head_dim, shape_.rope_base, shape_.rope_factor)});
    }
    for (uint32_t i = 0; i < layers_; ++i) {
      const std::string block = cat("blk.", i, ".");
      add_norm(block + "attn_norm.weight");
      add_matrix(block + "attn_q.weight", q_dim, hidden, TensorUse::kOther, i);
      add_matrix(block + "attn_k.weight", kv_dim, hidden, TensorUse::kOther, i);
      add_matrix(block + "attn_v.weight", kv_dim, hidden, TensorUse::kValueOrDown, i);
      add_matrix(block + "attn_output.weight", hidden, q_dim, TensorUse::kOther, i);
      add_norm(block + "ffn_norm.weight");
      add_matrix(block + "ffn_gate.weight", shape_.ffn, hidden, TensorUse::kOther, i);
      add_matrix(block + "ffn_up.weight", shape_.ffn, hidden, TensorUse::kOther, i);
      add_matrix(block + "ffn_down.weight", hidden, shape_.ffn, TensorUse::kValueOrDown, i);
    }
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
  const SynthShape& shape_;
  const SynthQuant& quant_;
  const uint32_t layers_;
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
std::string synth_quants() {
  return names_of(all_synth_quants());
}

Result<> write_synthetic(const SynthOptions& options, const SynthProgress& progress) {
  if (options.architecture != "llama") {
    return Error(ErrorCode::kInvalid, cat("there is no architecture '", options.architecture,
                                          "' to synthesize; choose llama"));
  }
  if (options.layers && (*options.layers == 0 || *options.layers > kSynthLayersMax)) {
    return Error(ErrorCode::kInvalid, cat("a model of ", *options.layers,
                                          " layers cannot be; choose 1 to ", kSynthLayersMax));
  }
  WEFT_TRY(const SynthShape* shape, choose(all_synth_shapes(), "shape", options.shape));
  WEFT_TRY(const SynthQuant* quant, choose(all_synth_quants(), "quantization", options.quant));
  return Synthesizer(options, *shape, *quant).run(progress);
}

}  // namespace weft::model
