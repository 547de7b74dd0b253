// A small random llama of f32 tensors, written as a GGUF file into a temporary folder, so that
// slices can be tested where no golden data is.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/id.h"
#include "base/random.h"
#include "base/text.h"
#include "model/model.h"
#include "tests/support/support.h"

namespace weft::kernels {

struct TinyShape {
  uint32_t layers = 3;
  uint32_t hidden = 32;
  uint32_t heads = 4;
  uint32_t kv_heads = 2;
  uint32_t ffn = 48;
  uint32_t vocab = 61;
  uint32_t context = 160;
  bool tied = true;
  uint64_t seed = 5;
};

class TinyModel {
 public:
  explicit TinyModel(const TinyShape& shape = {}) : shape_(shape), path_(folder_ / "tiny.gguf") {
    EXPECT_TRUE(write_file_atomic(path_, bytes()).ok());
    auto opened = model::Model::open(path_);
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message);
    model_.emplace(*std::move(opened));
  }

  const model::Model& get() const { return *model_; }
  const std::string& path() const { return path_; }
  // Tokens that differ, in a fixed order.
  std::vector<TokenId> tokens(uint32_t count, uint32_t salt = 0) const {
    std::vector<TokenId> tokens(count);
    for (uint32_t i = 0; i < count; ++i)
      tokens[i] = TokenId((i * 17 + salt * 7 + 3) % shape_.vocab);
    return tokens;
  }

 private:
  struct Tensor {
    std::string name;
    std::vector<uint64_t> dims;
  };

  static void text(ByteWriter& out, std::string_view value) {
    out.number(uint64_t{value.size()}).append(as_bytes(value));
  }
  static void entry(ByteWriter& out, std::string_view key, uint32_t value) {
    text(out, key);
    out.number(uint32_t{4}).number(value);  // type 4: u32
  }

  std::vector<Tensor> tensors() const {
    const uint64_t hidden = shape_.hidden;
    const uint64_t kv_dim = shape_.hidden / shape_.heads * shape_.kv_heads;
    std::vector<Tensor> list = {{"token_embd.weight", {hidden, shape_.vocab}}};
    for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
      const std::string at = cat("blk.", layer, ".");
      list.push_back({at + "attn_norm.weight", {hidden}});
      list.push_back({at + "attn_q.weight", {hidden, hidden}});
      list.push_back({at + "attn_k.weight", {hidden, kv_dim}});
      list.push_back({at + "attn_v.weight", {hidden, kv_dim}});
      list.push_back({at + "attn_output.weight", {hidden, hidden}});
      list.push_back({at + "ffn_norm.weight", {hidden}});
      list.push_back({at + "ffn_gate.weight", {hidden, shape_.ffn}});
      list.push_back({at + "ffn_up.weight", {hidden, shape_.ffn}});
      list.push_back({at + "ffn_down.weight", {shape_.ffn, hidden}});
    }
    list.push_back({"output_norm.weight", {hidden}});
    if (!shape_.tied) list.push_back({"output.weight", {hidden, shape_.vocab}});
    return list;
  }

  Bytes bytes() const {
    const auto list = tensors();
    ByteWriter out;
    out.append(as_bytes("GGUF")).number(uint32_t{3}).number(uint64_t{list.size()});
    out.number(uint64_t{8});  // metadata entries
    text(out, "general.architecture");
    out.number(uint32_t{8});  // type 8: string
    text(out, "llama");
    entry(out, "llama.block_count", shape_.layers);
    entry(out, "llama.embedding_length", shape_.hidden);
    entry(out, "llama.feed_forward_length", shape_.ffn);
    entry(out, "llama.context_length", shape_.context);
    entry(out, "llama.attention.head_count", shape_.heads);
    entry(out, "llama.attention.head_count_kv", shape_.kv_heads);
    text(out, "llama.attention.layer_norm_rms_epsilon");
    out.number(uint32_t{6}).number(1e-5f);  // type 6: f32

    constexpr uint64_t kAlignment = 32;
    uint64_t offset = 0;
    std::vector<std::pair<uint64_t, uint64_t>> places;  // offset, floats
    for (const Tensor& tensor : list) {
      text(out, tensor.name);
      out.number(uint32_t(tensor.dims.size()));
      uint64_t count = 1;
      for (const uint64_t dim : tensor.dims) {
        out.number(dim);
        count *= dim;
      }
      out.number(uint32_t{0}).number(offset);  // type 0: f32
      places.push_back({offset, count});
      offset = (offset + count * 4 + kAlignment - 1) / kAlignment * kAlignment;
    }
    const auto pad = [&out](uint64_t size) {
      while (out.bytes().size() < size) out.number(uint8_t{0});
    };
    const uint64_t base = (out.bytes().size() + kAlignment - 1) / kAlignment * kAlignment;
    Random random(shape_.seed);
    for (const auto& [at, count] : places) {
      pad(base + at);
      for (uint64_t i = 0; i < count; ++i) out.number(float(random.normal() * 0.3));
    }
    pad(base + offset);
    return out.take();
  }

  TinyShape shape_;
  test::TemporaryFolder folder_;
  std::string path_;
  std::optional<model::Model> model_;
};

}  // namespace weft::kernels
