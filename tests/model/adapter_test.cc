#include "model/adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/synth.h"
#include "tests/model/small_adapter.h"
#include "tests/model/small_model.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

class AdapterTest : public ::testing::Test {
 protected:
  void SetUp() override { small_.write(folder_ / "m.gguf"); }

  Model model() { return Model::open(folder_ / "m.gguf").value(); }
  Result<std::shared_ptr<const Adapter>> fit(const SmallAdapter& adapter, float scale = 1) {
    adapter.write(folder_ / "a.gguf");
    WEFT_TRY(auto file, open_adapter({folder_ / "a.gguf", scale}));
    return fit_adapter(std::move(file), model());
  }
  // The message of the refusal.
  std::string refusal(const SmallAdapter& adapter, ErrorCode code = ErrorCode::kInvalid,
                      float scale = 1) {
    const auto fitted = fit(adapter, scale);
    if (fitted.ok()) return "it was accepted";
    EXPECT_EQ(error_code_name(fitted.error().code), error_code_name(code));
    EXPECT_THAT(fitted.error().message, HasSubstr("a.gguf"));
    return fitted.error().message;
  }

  test::TemporaryFolder folder_;
  SmallModel small_;
};

SmallAdapter good() {
  SmallAdapter adapter;
  adapter.pair("blk.0.attn_q.weight", 64, 64, 8);
  adapter.pair("blk.1.ffn_down.weight", 64, 96, 4);
  return adapter;
}

TEST(AdapterChoice, AScaleIsWhatFollowsTheLastColonIfItIsANumber) {
  const auto parse = [](const std::string& text) { return parse_adapter_choice(text).value(); };
  EXPECT_EQ(parse("a.gguf").path, "a.gguf");
  EXPECT_EQ(parse("a.gguf").scale, 1);
  EXPECT_EQ(parse("a.gguf:0.5").path, "a.gguf");
  EXPECT_EQ(parse("a.gguf:0.5").scale, 0.5f);
  EXPECT_EQ(parse("a.gguf:-2").scale, -2);
  EXPECT_EQ(parse("a.gguf:0").scale, 0);
  EXPECT_EQ(parse("C:/x/a.gguf").path, "C:/x/a.gguf");
  EXPECT_EQ(parse("a:1:2").path, "a:1");
  EXPECT_EQ(parse("a.gguf:").path, "a.gguf:");
  for (const char* bad : {"", ":1", "a.gguf:nan", "a.gguf:inf", "a.gguf:-inf", "a.gguf:1e39",
                          "a.gguf:1e999"}) {
    EXPECT_EQ(parse_adapter_choice(bad).error().code, ErrorCode::kInvalid) << bad;
  }
}

TEST_F(AdapterTest, HasTheFactorOfEachPair) {
  const auto fitted = fit(good(), -0.5);
  ASSERT_TRUE(fitted.ok()) << fitted.error().message;
  const Adapter& adapter = **fitted;
  EXPECT_EQ(adapter.pair_count(), 2u);
  const AdapterPair& q = adapter.layers[0].at(0);
  EXPECT_EQ(q.rank(), 8u);
  EXPECT_EQ(q.factor, -0.5f * 16 / 8);
  EXPECT_EQ(q.parts.at(0).member, &LayerTensors::attn_q);
  EXPECT_EQ(adapter.layers[1].at(0).factor, -0.5f * 16 / 4);
  EXPECT_FALSE(adapter.output);
}

TEST_F(AdapterTest, OfAFusedTensorHasItsParts) {
  ASSERT_TRUE(write_synthetic({.path = folder_ / "phi.gguf",
                               .architecture = "phi3",
                               .shape = "nano",
                               .quant = "q8_0"}).ok());
  const Model phi = Model::open(folder_ / "phi.gguf").value();
  SmallAdapter adapter;
  adapter.pairs_of(phi);
  adapter.write(folder_ / "a.gguf");
  const auto fitted = fit_adapter(open_adapter({folder_ / "a.gguf"}).value(), phi).value();
  const AdapterPair& qkv = fitted->layers[2].at(0);
  ASSERT_EQ(qkv.parts.size(), 3u);
  EXPECT_EQ(qkv.parts[1].member, &LayerTensors::attn_k);
  EXPECT_EQ(qkv.parts[0].rows + qkv.parts[1].rows + qkv.parts[2].rows, qkv.rows());
  EXPECT_EQ(fitted->pair_count(), 3u * 4 + 1) << "its output is its own";
  EXPECT_TRUE(fitted->output);
}

TEST_F(AdapterTest, OfAnOutputOfItsOwnIsOne) {
  SmallAdapter adapter;
  adapter.pair("output.weight", 264, 64, 2);
  EXPECT_THAT(refusal(adapter), HasSubstr("the model has no tensor output.weight"));
  small_.tensors["output.weight"] = {TensorType::kF32, {64, 264}};
  small_.write(folder_ / "m.gguf");
  const auto fitted = fit(adapter);
  ASSERT_TRUE(fitted.ok()) << fitted.error().message;
  EXPECT_EQ((*fitted)->output->rows(), 264u);
}

TEST_F(AdapterTest, OfAnotherShapeIsRefusedWithTheTensorAndAllShapes) {
  for (const auto& [half, dims, shown] :
       std::vector<std::tuple<std::string, std::vector<uint64_t>, std::string>>{
           {"a", {65, 8}, "its lora_a [8, 65], its lora_b [64, 8]"},
           {"a", {64, 7}, "its lora_a [7, 64], its lora_b [64, 8]"},
           {"a", {64}, "its lora_a [64], its lora_b [64, 8]"},
           {"a", {64, 8, 2}, "its lora_a [2, 8, 64]"},
           {"b", {8, 32}, "its lora_b [32, 8]"},
           {"b", {8}, "its lora_b [8]"}}) {
    SmallAdapter bad = good();
    bad.tensors["blk.0.attn_q.weight.lora_" + half].dims = dims;
    const std::string message = refusal(bad);
    EXPECT_THAT(message, HasSubstr("does not fit"));
    EXPECT_THAT(message, HasSubstr("tensor blk.0.attn_q.weight is [64, 64] (rows, columns)"));
    EXPECT_THAT(message, HasSubstr(shown));
  }
  SmallAdapter half = good();
  half.tensors.erase("blk.0.attn_q.weight.lora_b");
  EXPECT_THAT(refusal(half), HasSubstr("its lora_a [8, 64], its lora_b missing"));
  half = good();
  half.tensors.erase("blk.0.attn_q.weight.lora_a");
  EXPECT_THAT(refusal(half), HasSubstr("its lora_a missing, its lora_b [64, 8]"));
}

TEST_F(AdapterTest, OfARankOrAScaleBeyondReasonIsRefused) {
  SmallAdapter adapter;
  adapter.pair("blk.0.attn_q.weight", 64, 64, kAdapterRankMax + 1);
  EXPECT_THAT(refusal(adapter), HasSubstr("rank 4097 is more than 4096"));
  EXPECT_THAT(refusal(good(), ErrorCode::kInvalid, std::numeric_limits<float>::infinity()),
              HasSubstr("finite"));
  EXPECT_THAT(refusal(good(), ErrorCode::kInvalid, 3e38f), HasSubstr("too large"));
  SmallAdapter bad = good();
  for (const float alpha : {0.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    bad.fractions["adapter.lora.alpha"] = alpha;
    EXPECT_THAT(refusal(bad, ErrorCode::kCorrupt), HasSubstr("adapter.lora.alpha is "));
  }
  bad.fractions.clear();
  EXPECT_THAT(refusal(bad, ErrorCode::kNotFound), HasSubstr("adapter.lora.alpha is missing"));
}

// A writer refuses a dimension of zero, so it is put into the file's bytes.
TEST_F(AdapterTest, OfRankZeroIsRefused) {
  good().write(folder_ / "a.gguf");
  Bytes bytes = read_file(folder_ / "a.gguf", 1 << 20).value();
  const std::string name = "blk.0.attn_q.weight.lora_a";
  const auto at = std::search(bytes.begin(), bytes.end(), name.begin(), name.end());
  ASSERT_NE(at, bytes.end());
  *(at + std::ptrdiff_t(name.size()) + 4 + 8) = 0;
  ASSERT_TRUE(write_file_atomic(folder_ / "a.gguf", bytes).ok());
  const auto opened = open_adapter({folder_ / "a.gguf"});
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message, HasSubstr("dimension 1 is zero"));
}

TEST_F(AdapterTest, ThatIsNoneOrOfAnotherKindOrArchitectureIsRefused) {
  const auto with = [](const std::string& key, const std::string& value) {
    SmallAdapter adapter = good();
    adapter.texts[key] = value;
    return adapter;
  };
  EXPECT_THAT(refusal(with("general.architecture", "qwen2")),
              HasSubstr("general.architecture is 'qwen2', it must be 'llama'"));
  EXPECT_THAT(refusal(with("general.type", "model"), ErrorCode::kUnsupported),
              HasSubstr("it is no adapter: general.type is 'model'"));
  EXPECT_THAT(refusal(with("adapter.type", "control\x1b"), ErrorCode::kUnsupported),
              HasSubstr("adapter.type is 'control?', it must be 'lora'"));
  EXPECT_THAT(refusal(with("adapter.alora.invocation_tokens", ""), ErrorCode::kUnsupported),
              HasSubstr("activated LoRA"));
  const auto model = open_adapter({folder_ / "m.gguf"});
  EXPECT_THAT(model.error().message, HasSubstr("it is no adapter"));
  EXPECT_EQ(open_adapter({folder_ / "none.gguf"}).error().code, ErrorCode::kNotFound);
}

TEST_F(AdapterTest, ForATensorThatHasNoneIsRefused) {
  const auto with = [](const std::string& name, std::vector<uint64_t> dims) {
    SmallAdapter adapter = good();
    adapter.tensors[name] = {std::move(dims)};
    return adapter;
  };
  EXPECT_THAT(refusal(with("blk.2.attn_q.weight.lora_a", {64, 8})),
              HasSubstr("blk.2.attn_q.weight.lora_a is [8, 64], but the model has no tensor "
                        "blk.2.attn_q.weight"));
  EXPECT_THAT(refusal(with("blk.0.attn_q.weight", {64, 64}), ErrorCode::kUnsupported),
              HasSubstr("tensor blk.0.attn_q.weight is no part of a pair"));
  EXPECT_THAT(refusal(with("token_embd.weight.lora_a", {64, 8}), ErrorCode::kUnsupported),
              HasSubstr("weft applies no adapter to token_embd.weight, which is [264, 64]"));
  EXPECT_THAT(refusal(with("blk.0.attn_norm.weight.lora_a", {64, 1}), ErrorCode::kUnsupported),
              HasSubstr("tensor blk.0.attn_norm.weight is [64], its lora_a [1, 64]"));
  EXPECT_THAT(refusal(SmallAdapter()), HasSubstr("it has no tensors"));
}

TEST_F(AdapterTest, OfExpertsIsRefused) {
  ASSERT_TRUE(write_synthetic({.path = folder_ / "m.gguf",
                               .architecture = "qwen3moe",
                               .shape = "nano",
                               .quant = "q8_0"}).ok());
  SmallAdapter adapter;
  adapter.pairs_of(model());
  ASSERT_TRUE(fit(adapter).ok());
  adapter.tensors["blk.1.ffn_up_exps.weight.lora_a"] = {{128, 8, 4}};
  EXPECT_THAT(refusal(adapter, ErrorCode::kUnsupported),
              HasSubstr("blk.1.ffn_up_exps.weight is ["));
}

}  // namespace
}  // namespace weft::model
