// A small valid model whose every fact a test can change before it is written.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/text.h"
#include "model/byte_pair.h"
#include "model/gguf_writer.h"
#include "model/model.h"
#include "tests/support/support.h"

namespace weft::model {

struct SmallModel {
  struct Tensor {
    TensorType type;
    std::vector<uint64_t> dims;  // the contiguous one first
    float value = 0;             // of every element, where the type is F32
  };

  std::map<std::string, std::string> texts;
  std::map<std::string, uint32_t> numbers;
  std::map<std::string, float> fractions;
  std::map<std::string, bool> flags;
  std::map<std::string, Tensor> tensors;
  std::vector<std::string> tokens;
  std::vector<int32_t> kinds;
  std::vector<std::string> merges;
  std::vector<float> scores;

  // Two layers, 64 wide, 4 heads of 16 with 2 for keys and values, 264 tokens of byte-level BPE.
  SmallModel() {
    texts = {{"general.architecture", "llama"},
             {"general.name", "small"},
             {"tokenizer.ggml.model", "gpt2"},
             {"tokenizer.ggml.pre", "llama-bpe"}};
    numbers = {{"llama.block_count", 2},
               {"llama.embedding_length", 64},
               {"llama.feed_forward_length", 96},
               {"llama.attention.head_count", 4},
               {"llama.attention.head_count_kv", 2},
               {"llama.context_length", 128},
               {"tokenizer.ggml.bos_token_id", 262},
               {"tokenizer.ggml.eos_token_id", 263}};
    for (int byte = 0; byte < 256; ++byte) {
      const char c = char(byte);
      tokens.push_back(to_byte_alphabet({&c, 1}));
    }
    tokens.insert(tokens.end(), {"he", "ll", "hell", "hello", "<|eot_id|>", "<|user|>"});
    kinds.assign(tokens.size(), 1);
    kinds[260] = 3;
    kinds[261] = 4;
    tokens.insert(tokens.end(), {"<|bos|>", "<|eos|>"});
    kinds.resize(tokens.size(), 3);
    merges = {"h e", "l l", "he ll", "hell o"};
    tensors = {{"token_embd.weight", {TensorType::kF32, {64, 264}}},
               {"output_norm.weight", {TensorType::kF32, {64}}}};
    for (const std::string block : {"blk.0.", "blk.1."}) {
      tensors[block + "attn_norm.weight"] = {TensorType::kF32, {64}};
      tensors[block + "attn_q.weight"] = {TensorType::kQ8_0, {64, 64}};
      tensors[block + "attn_k.weight"] = {TensorType::kQ8_0, {64, 32}};
      tensors[block + "attn_v.weight"] = {TensorType::kQ8_0, {64, 32}};
      tensors[block + "attn_output.weight"] = {TensorType::kQ8_0, {64, 64}};
      tensors[block + "ffn_norm.weight"] = {TensorType::kF32, {64}};
      tensors[block + "ffn_gate.weight"] = {TensorType::kQ4_0, {64, 96}};
      tensors[block + "ffn_up.weight"] = {TensorType::kF16, {64, 96}};
      tensors[block + "ffn_down.weight"] = {TensorType::kQ8_0, {96, 64}};
    }
  }

  void write(const std::string& path) const {
    GgufWriter writer;
    for (const auto& [key, value] : texts) writer.text(key, value);
    for (const auto& [key, value] : numbers) writer.u32(key, value);
    for (const auto& [key, value] : fractions) writer.f32(key, value);
    for (const auto& [key, value] : flags) writer.boolean(key, value);
    if (!tokens.empty()) writer.texts("tokenizer.ggml.tokens", tokens);
    if (!kinds.empty()) writer.integers("tokenizer.ggml.token_type", kinds);
    if (!merges.empty()) writer.texts("tokenizer.ggml.merges", merges);
    if (!scores.empty()) writer.floats("tokenizer.ggml.scores", scores);
    for (const auto& [name, tensor] : tensors) writer.tensor(name, tensor.type, tensor.dims);
    WEFT_ASSERT(writer.open(path).ok());
    for (const auto& [name, tensor] : tensors) {
      uint64_t elements = 1;
      for (const uint64_t dim : tensor.dims) elements *= dim;
      Bytes bytes(tensor_bytes(tensor.type, elements));
      if (tensor.type == TensorType::kF32) {
        for (size_t i = 0; i < elements; ++i) std::memcpy(&bytes[i * 4], &tensor.value, 4);
      }
      WEFT_ASSERT(writer.write(bytes).ok());
    }
    WEFT_ASSERT(writer.finish().ok());
  }

  // As it is from a file that is gone again.
  Result<Model> open() const {
    const test::TemporaryFolder folder;
    write(folder / "m.gguf");
    return Model::open(folder / "m.gguf");
  }
};

}  // namespace weft::model
