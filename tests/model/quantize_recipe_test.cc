#include "model/quantize_recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/text.h"
#include "model/gguf_writer.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

struct Shape {
  uint32_t layers = 16;
  bool tied = false;
  uint32_t experts = 0;
  uint32_t kv_heads = 4;
  uint64_t cols = 256;
  TensorType type = TensorType::kF16;
  uint32_t parts = 0;
  std::vector<std::pair<std::string, std::vector<uint64_t>>> further = {};
};

using Types = std::map<std::string, TensorType>;

class QuantizeRecipeTest : public ::testing::Test {
 protected:
  // A file of zeros with the tensors of a llama of that shape.
  GgufFile write(const Shape& shape) {
    GgufWriter writer;
    writer.text("general.architecture", "llama");
    writer.u32("llama.block_count", shape.layers);
    writer.u32("llama.attention.head_count", 8);
    writer.u32("llama.attention.head_count_kv", shape.kv_heads);
    if (shape.experts > 0) writer.u32("llama.expert_count", shape.experts);
    if (shape.parts > 0) writer.u32("split.count", shape.parts);
    const auto matrix = [&](const std::string& name) {
      writer.tensor(name, shape.type, {shape.cols, 2});
    };
    matrix("token_embd.weight");
    if (!shape.tied) matrix("output.weight");
    writer.tensor("output_norm.weight", TensorType::kF32, {256});
    for (uint32_t i = 0; i < shape.layers; ++i) {
      const std::string at = cat("blk.", i, ".");
      for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"}) {
        matrix(at + name + ".weight");
      }
    }
    for (const auto& [name, dims] : shape.further) writer.tensor(name, TensorType::kF32, dims);
    EXPECT_TRUE(writer.open(folder_ / "m.gguf").ok());
    EXPECT_TRUE(writer.write(Bytes(writer.data_bytes())).ok());
    EXPECT_TRUE(writer.finish().ok());
    return GgufFile::open(folder_ / "m.gguf").value();
  }

  Types types(std::string_view recipe, const Shape& shape) {
    const GgufFile file = write(shape);
    const auto found = recipe_types(**find_quantize_recipe(recipe), file).value();
    Types types;
    for (size_t i = 0; i < found.size(); ++i) types[file.tensors()[i].name] = found[i];
    return types;
  }

  Error refusal(const Shape& shape) {
    return recipe_types(**find_quantize_recipe("Q4_K_M"), write(shape)).error();
  }

  test::TemporaryFolder folder_;
};

// The layers of a 16-layer model in which a matrix got the type: "6..6..".
std::string pattern(const Types& types, const std::string& name, TensorType more) {
  std::string marks;
  for (uint32_t i = 0; types.contains(cat("blk.", i, ".", name)); ++i) {
    marks += types.at(cat("blk.", i, ".", name)) == more ? '+' : '.';
  }
  return marks;
}

TEST_F(QuantizeRecipeTest, TheMixesOfQ4KMAndQ5KMAreAsPublished) {
  for (const auto& [recipe, base] :
       {std::pair{"q4_k_m", TensorType::kQ4_K}, {"Q5_K_M", TensorType::kQ5_K}}) {
    const Types found = types(recipe, {});
    EXPECT_EQ(found.at("output.weight"), TensorType::kQ6_K);
    EXPECT_EQ(found.at("token_embd.weight"), base);
    EXPECT_EQ(found.at("output_norm.weight"), TensorType::kF32);
    for (const char* name : {"attn_v.weight", "ffn_down.weight"}) {
      // The first and last two of sixteen, and every third between.
      EXPECT_EQ(pattern(found, name, TensorType::kQ6_K), "++..+..+..+..+++") << name;
    }
    for (const char* name : {"attn_q", "attn_k", "attn_output", "ffn_up"}) {
      EXPECT_EQ(found.at(cat("blk.0.", name, ".weight")), base) << name;
    }
  }
}

TEST_F(QuantizeRecipeTest, PlainTypesGiveTheOutputSixBitsAtLeast) {
  for (const auto& [recipe, base, output] :
       {std::tuple{"Q4_0", TensorType::kQ4_0, TensorType::kQ6_K},
        {"Q6_K", TensorType::kQ6_K, TensorType::kQ6_K},
        {"Q8_0", TensorType::kQ8_0, TensorType::kQ8_0}}) {
    const Types found = types(recipe, {});
    EXPECT_EQ(found.at("output.weight"), output);
    EXPECT_EQ(found.at("token_embd.weight"), base);
    EXPECT_EQ(pattern(found, "attn_v.weight", base), std::string(16, '+'));
    EXPECT_EQ(pattern(found, "ffn_down.weight", base), std::string(16, '+'));
  }
}

TEST_F(QuantizeRecipeTest, ATiedEmbeddingIsTheOutput) {
  EXPECT_EQ(types("Q4_K_M", {.tied = true}).at("token_embd.weight"), TensorType::kQ6_K);
  EXPECT_EQ(types("Q4_0", {.tied = true}).at("token_embd.weight"), TensorType::kQ6_K);
}

TEST_F(QuantizeRecipeTest, ModelsWithSmallAttentionMatricesGiveThemMore) {
  const Types of_experts = types("Q4_K_M", {.experts = 8});
  EXPECT_EQ(of_experts.at("blk.3.attn_v.weight"), TensorType::kQ8_0);
  EXPECT_EQ(of_experts.at("blk.3.attn_k.weight"), TensorType::kQ8_0);
  EXPECT_EQ(of_experts.at("blk.3.attn_output.weight"), TensorType::kQ5_K);
  EXPECT_EQ(of_experts.at("blk.3.attn_q.weight"), TensorType::kQ4_K);
  const Types of_70b = types("Q4_K_M", {.layers = 80, .kv_heads = 1});
  EXPECT_EQ(of_70b.at("blk.10.attn_v.weight"), TensorType::kQ5_K);
  EXPECT_EQ(of_70b.at("blk.12.attn_v.weight"), TensorType::kQ6_K);
  EXPECT_EQ(of_70b.at("blk.10.ffn_down.weight"), TensorType::kQ4_K);
  EXPECT_EQ(types("Q4_K_M", {.layers = 80, .kv_heads = 8}).at("blk.10.attn_v.weight"),
            TensorType::kQ4_K);
}

TEST_F(QuantizeRecipeTest, RowsThatAreNoWholeBlocksGetTheSubstitute) {
  const Types of_96 = types("Q4_K_M", {.cols = 96});
  EXPECT_EQ(of_96.at("blk.3.attn_q.weight"), TensorType::kQ5_0);
  EXPECT_EQ(of_96.at("blk.0.attn_v.weight"), TensorType::kQ8_0);
  EXPECT_EQ(of_96.at("output.weight"), TensorType::kQ8_0);
  EXPECT_EQ(types("Q5_K_M", {.cols = 96}).at("blk.3.attn_q.weight"), TensorType::kQ5_1);
  EXPECT_EQ(types("Q4_K_M", {.cols = 40}).at("blk.3.attn_q.weight"), TensorType::kF16);
  EXPECT_EQ(types("Q4_0", {.cols = 40}).at("blk.3.attn_q.weight"), TensorType::kF16);
}

TEST_F(QuantizeRecipeTest, WhatIsNoMatrixOfWeightsStaysAsItIs) {
  const Types found = types("Q4_K_M", {.further = {{"blk.0.attn_q.bias", {256}},
                                                   {"blk.0.attn_q_norm.weight", {256, 2}},
                                                   {"blk.0.ffn_gate_inp.weight", {256, 8}},
                                                   {"blk.0.thin.weight", {256, 1}},
                                                   {"blk.0.ffn_up_exps.weight", {256, 2, 8}}}});
  for (const char* name :
       {"attn_q.bias", "attn_q_norm.weight", "ffn_gate_inp.weight", "thin.weight"}) {
    EXPECT_EQ(found.at(cat("blk.0.", name)), TensorType::kF32) << name;
  }
  EXPECT_EQ(found.at("blk.0.ffn_up_exps.weight"), TensorType::kQ4_K);
}

TEST_F(QuantizeRecipeTest, WhatCannotBeQuantizedIsRefused) {
  const Error twice = refusal({.type = TensorType::kQ5_K});
  EXPECT_EQ(twice.code, ErrorCode::kUnsupported);
  EXPECT_THAT(twice.message, HasSubstr("token_embd.weight is Q5_K already"));
  EXPECT_THAT(twice.message, HasSubstr("F16, BF16, F32 or Q8_0"));
  const Error part = refusal({.parts = 3});
  EXPECT_EQ(part.code, ErrorCode::kUnsupported);
  EXPECT_THAT(part.message, HasSubstr("one part of 3"));

  GgufWriter writer;
  writer.tensor("output_norm.weight", TensorType::kF32, {256});
  ASSERT_TRUE(writer.open(folder_ / "v").ok() && writer.write(Bytes(1024)).ok());
  ASSERT_TRUE(writer.finish().ok());
  const auto none =
      recipe_types(**find_quantize_recipe("Q4_0"), GgufFile::open(folder_ / "v").value());
  EXPECT_EQ(none.error().code, ErrorCode::kCorrupt);
}

TEST(FindQuantizeRecipe, NamesWhatThereIs) {
  EXPECT_EQ((*find_quantize_recipe("q4_k_M"))->name, "Q4_K_M");
  for (const char* name : {"", "Q4", "Q4_K_M ", "IQ2_S"}) {
    const auto found = find_quantize_recipe(name);
    ASSERT_FALSE(found.ok()) << name;
    EXPECT_EQ(found.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(found.error().message, HasSubstr("Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0"));
  }
}

}  // namespace
}  // namespace weft::model
