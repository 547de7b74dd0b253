#include "model/synth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "model/model.h"
#include "model/tokenizer.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

TEST(Synth, EveryQuantizationOpensAsAModelWithATokenizer) {
  const test::TemporaryFolder folder;
  std::vector<std::string> quants = split(synth_quants(), ',');
  EXPECT_EQ(quants.size(), 25u);
  for (std::string& quant : quants) {
    quant = trim(quant);
    const std::string path = folder / quant;
    const auto written = write_synthetic({.path = path, .shape = "tiny", .quant = quant});
    ASSERT_TRUE(written.ok()) << written.error().message;
    const auto model = Model::open(path);
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_EQ(model->config().vocab_size, 512u);
    const auto tokenizer = Tokenizer::from_gguf(model->file());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    EXPECT_EQ(tokenizer->decode(tokenizer->encode("the héllo")), "the héllo");
    EXPECT_EQ(tokenizer->encode("the").size(), 3u);  // bos, t, he
  }
}

TEST(Synth, WeightsHaveTheDeviationThatKeepsActivationsInBounds) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_synthetic({.path = folder / "m", .shape = "small", .quant = "q4_k_m"}).ok());
  const auto model = Model::open(folder / "m");
  ASSERT_TRUE(model.ok()) << model.error().message;
  const GgufTensor& up = *model->layer(3).ffn_up;
  std::vector<float> values(up.elements);
  dequantize(up.type, model->file().data(up), values);
  double sum = 0, squares = 0;
  for (const float value : values) {
    sum += value;
    squares += double(value) * value;
  }
  const double count = double(values.size());
  EXPECT_NEAR(sum / count, 0, 1e-3);
  EXPECT_NEAR(std::sqrt(squares / count), 1 / std::sqrt(512.0), 1e-3);
}

TEST(Synth, TheSameSeedGivesTheSameBytesAndAnotherDoesNot) {
  const test::TemporaryFolder folder;
  const auto bytes = [&](uint64_t seed) {
    EXPECT_TRUE(write_synthetic({.path = folder / "m", .shape = "nano", .seed = seed}).ok());
    return *read_file(folder / "m", 1 << 24);
  };
  const Bytes first = bytes(1);
  EXPECT_EQ(bytes(1), first);
  EXPECT_NE(bytes(2), first);
}

TEST(Synth, TheMixOfQ4KMIsAsPublished) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_synthetic({.path = folder / "m", .shape = "tiny", .layers = 16}).ok());
  const auto model = Model::open(folder / "m");
  ASSERT_TRUE(model.ok());
  std::string more;
  for (uint32_t i = 0; i < 16; ++i) {
    EXPECT_EQ(model->layer(i).attn_q->type, TensorType::kQ4_K);
    EXPECT_EQ(model->layer(i).attn_v->type, model->layer(i).ffn_down->type);
    more += model->layer(i).attn_v->type == TensorType::kQ6_K ? '6' : '4';
  }
  EXPECT_EQ(more, "6644644644644666");
  EXPECT_EQ(model->output().type, TensorType::kQ6_K);
}

TEST(Synth, AModelOfEachTypeHasMatricesOfThatType) {
  const test::TemporaryFolder folder;
  for (const TensorTypeInfo& info : all_tensor_types()) {
    std::string quant(info.name);
    for (char& c : quant) c = char(std::tolower(c));
    if (info.type == TensorType::kQ4_K || info.type == TensorType::kQ5_K) quant += "_m";
    const std::string path = folder / quant;
    ASSERT_TRUE(write_synthetic({.path = path, .shape = "tiny", .quant = quant, .layers = 1}).ok());
    const auto model = Model::open(path);
    ASSERT_TRUE(model.ok());
    EXPECT_EQ(model->layer(0).attn_q->type, info.type);
    std::vector<float> values(model->layer(0).attn_q->elements);
    dequantize(info.type, model->file().data(*model->layer(0).attn_q), values);
    double squares = 0;
    for (const float value : values) squares += double(value) * value;
    EXPECT_NEAR(std::sqrt(squares / double(values.size())), 1 / 16.0, 0.15 / 16) << info.name;
  }
}

// The factors are of a published context, which the small shapes do not have.
TEST(Synth, AShapeWithALongContextHasAFactorForEachPairOfARope) {
  const test::TemporaryFolder folder;
  const auto write = [&](const std::string& shape) {
    const auto written = write_synthetic(
        {.path = folder / shape, .shape = shape, .quant = "q4_0", .layers = 1});
    EXPECT_TRUE(written.ok()) << written.error().message;
    auto model = Model::open(folder / shape);
    EXPECT_TRUE(model.ok()) << model.error().message;
    return model;
  };
  const auto llama = write("llama-3.2-1b");
  ASSERT_TRUE(llama->file().find("rope_freqs.weight"));
  EXPECT_EQ(llama->file().find("rope_freqs.weight")->elements, 32u);
  const auto phi = write("phi-3.5-mini");
  for (const char* name : {"rope_factors_long.weight", "rope_factors_short.weight"}) {
    ASSERT_TRUE(phi->file().find(name)) << name;
    EXPECT_EQ(phi->file().find(name)->elements, 48u) << name;
  }
}

TEST(Synth, ProgressEndsAtTheTotal) {
  const test::TemporaryFolder folder;
  uint64_t last = 0, total = 0;
  ASSERT_TRUE(
      write_synthetic({.path = folder / "m", .shape = "nano"}, [&](uint64_t done, uint64_t all) {
        EXPECT_GE(done, last);
        last = done;
        total = all;
      }).ok());
  EXPECT_EQ(last, total);
  EXPECT_GT(total, 0u);
}

TEST(Synth, WhatIsUnknownIsNamedWithWhatExists) {
  const auto message = [](const SynthOptions& options) {
    const auto written = write_synthetic(options);
    EXPECT_FALSE(written.ok());
    EXPECT_EQ(written.error().code, ErrorCode::kInvalid);
    return written.error().message;
  };
  EXPECT_THAT(message({.path = "/x", .shape = "huge"}), HasSubstr("'huge'; choose one of nano"));
  EXPECT_THAT(message({.path = "/x", .quant = "q1"}), HasSubstr("'q1'; choose one of f32"));
  EXPECT_THAT(message({.path = "/x", .architecture = "rwkv"}), HasSubstr("'rwkv'"));
  EXPECT_THAT(message({.path = "/x", .layers = 0}), HasSubstr("1 to 1024"));
}

TEST(Synth, ADiskThatIsTooFullIsSaidBeforeTheFirstByte) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "m";
  const auto written =
      write_synthetic({.path = path, .shape = "llama-3.1-70b", .quant = "f32", .layers = 1024});
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, ErrorCode::kExhausted);
  EXPECT_THAT(written.error().message, HasSubstr("TiB, but only"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Synth, AFolderThatIsNotThereIsAnError) {
  const test::TemporaryFolder folder;
  EXPECT_FALSE(write_synthetic({.path = folder / "none/m", .shape = "nano"}).ok());
}

}  // namespace
}  // namespace weft::model
