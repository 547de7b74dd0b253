#include "model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/model/small_model.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

TEST(Model, OpensEveryGoldenLlama) {
  WEFT_GOLDEN_OR_SKIP(golden);
  for (const char* name : {"llama", "llama-untied-ropefreqs", "llama-tiny-f16", "llama-tiny-q4_0",
                           "llama-tiny-q4_k_m", "llama-tiny-q8_0"}) {
    const auto model = Model::open(golden + "/logits/" + name + ".gguf");
    ASSERT_TRUE(model.ok()) << model.error().message;
    const bool untied = std::string(name) == "llama-untied-ropefreqs";
    EXPECT_EQ(&model->output() == &model->token_embedding(), !untied);
    EXPECT_EQ(model->config().rope.divisors.size(), untied ? 16u : 0u);
    EXPECT_EQ(model->config().rope.base, 500000.0f);
    EXPECT_EQ(model->layer(0).present().size(), 9u);
  }
}

TEST(Model, PartsOfFusedTensorsAreTensors) {
  WEFT_GOLDEN_OR_SKIP(golden);
  const auto model = Model::open(golden + "/logits/phi3.gguf");
  ASSERT_TRUE(model.ok()) << model.error().message;
  const LayerTensors& layer = model->layer(1);
  EXPECT_EQ(layer.attn_q->dims, (std::vector<uint64_t>{128, 128}));
  EXPECT_EQ(layer.attn_k->dims, (std::vector<uint64_t>{128, 64}));
  EXPECT_EQ(layer.attn_k->offset, layer.attn_q->offset + layer.attn_q->bytes);
  EXPECT_EQ(layer.attn_v->offset, layer.attn_k->offset + layer.attn_k->bytes);
  EXPECT_EQ(layer.ffn_up->offset, layer.ffn_gate->offset + layer.ffn_gate->bytes);
  EXPECT_EQ(model->slice_tensors(1, 2).size(), 6u) << "as the file has them";
  EXPECT_EQ(model->config().window, 24u);
  EXPECT_TRUE(model->config().windowed(0) && model->config().windowed(2));
}

TEST(Model, ExpertsOfALayerAreOneMatrix) {
  WEFT_GOLDEN_OR_SKIP(golden);
  for (const char* name : {"moe-llama", "moe-qwen3"}) {
    const auto model = Model::open(cat(golden, "/logits/", name, ".gguf"));
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_EQ(model->config().expert_count, 4u);
    EXPECT_EQ(model->config().experts_used, 2u);
    EXPECT_EQ(model->layer(0).experts_gate->dims, (std::vector<uint64_t>{128, 4 * 256}));
    EXPECT_EQ(model->layer(0).experts_down->dims, (std::vector<uint64_t>{256, 4 * 128}));
    EXPECT_EQ(model->layer(0).ffn_gate, nullptr);
  }
}

TEST(Model, GemmasAlternateLayersWithAndWithoutAWindow) {
  WEFT_GOLDEN_OR_SKIP(golden);
  const auto two = Model::open(golden + "/logits/gemma2.gguf");
  const auto three = Model::open(golden + "/logits/gemma3.gguf");
  ASSERT_TRUE(two.ok() && three.ok());
  EXPECT_TRUE(two->config().windowed(0));
  EXPECT_FALSE(two->config().windowed(1));
  EXPECT_EQ(two->config().attention_soft_cap, 50);
  EXPECT_EQ(two->config().logit_soft_cap, 30);
  for (uint32_t i = 0; i < 12; ++i) EXPECT_EQ(three->config().windowed(i), i % 6 != 5) << i;
  EXPECT_EQ(three->config().rope.base, 1e6f);
  EXPECT_EQ(three->config().window_rope.base, 1e4f);
  EXPECT_FLOAT_EQ(three->config().embedding_scale, std::sqrt(128.0f));
}

// The message of the refusal of a small model that `change` broke.
template <typename Change>
std::string refusal(Change change, ErrorCode code = ErrorCode::kCorrupt) {
  SmallModel small;
  change(small);
  const auto model = small.open();
  if (model.ok()) return "it was accepted";
  EXPECT_EQ(error_code_name(model.error().code), error_code_name(code)) << model.error().message;
  EXPECT_THAT(model.error().message, ::testing::StartsWith("cannot load "));
  return model.error().message;
}

TEST(Model, DefaultsAreThoseOfTheFormat) {
  SmallModel small;
  const auto model = small.open();
  ASSERT_TRUE(model.ok()) << model.error().message;
  const ModelConfig& config = model->config();
  EXPECT_EQ(config.name, "small");
  EXPECT_EQ(config.head_dim, 16u);
  EXPECT_EQ(config.q_dim(), 64u);
  EXPECT_EQ(config.kv_dim(), 32u);
  EXPECT_EQ(config.vocab_size, 264u);
  EXPECT_EQ(config.rope.base, 10000.0f);
  EXPECT_EQ(config.rope.dims, 16u);
  EXPECT_EQ(config.rope.scale, 1.0f);
  EXPECT_TRUE(config.rope.interleaved);
  EXPECT_EQ(config.norm_epsilon, 1e-5f);
  EXPECT_EQ(config.attention_scale, 0.25f);
  small.numbers.erase("llama.attention.head_count_kv");
  for (const std::string block : {"blk.0.", "blk.1."}) {
    small.tensors[block + "attn_k.weight"].dims = {64, 64};
    small.tensors[block + "attn_v.weight"].dims = {64, 64};
  }
  const auto full = small.open();
  ASSERT_TRUE(full.ok()) << full.error().message;
  EXPECT_EQ(full->config().kv_head_count, 4u);
}

TEST(Model, LinearRopeScalingDividesPositions) {
  SmallModel small;
  small.texts["llama.rope.scaling.type"] = "linear";
  small.fractions["llama.rope.scaling.factor"] = 4;
  const auto model = small.open();
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->config().rope.scale, 0.25f);
  EXPECT_THAT(refusal([](SmallModel& m) { m.texts["llama.rope.scaling.type"] = "dynamic"; },
                      ErrorCode::kUnsupported),
              HasSubstr("'dynamic' is not supported; none, linear, yarn and longrope are"));
}

TEST(Model, SlicesNameTheTensorsTheyRead) {
  const auto model = SmallModel().open();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->slice_tensors(0, 1).size(), 10u);  // embedding and a layer
  EXPECT_EQ(model->slice_tensors(1, 2).size(), 11u);  // a layer, norm and the tied output
  EXPECT_EQ(model->slice_tensors(0, 2).size(), 20u);  // the tied output counts once
  EXPECT_EQ(model->slice_tensors(1, 1).size(), 0u);
  EXPECT_EQ(model->slice_tensors(2, 2).size(), 2u);
}

// The experts of a small model, in place of its dense networks.
void give_experts(SmallModel& m) {
  m.numbers["llama.expert_count"] = 3;
  m.numbers["llama.expert_used_count"] = 2;
  for (const std::string block : {"blk.0.", "blk.1."}) {
    for (const char* part : {"ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"}) {
      m.tensors.erase(block + part);
    }
    m.tensors[block + "ffn_gate_inp.weight"] = {TensorType::kF32, {64, 3}};
    m.tensors[block + "ffn_gate_exps.weight"] = {TensorType::kQ8_0, {64, 96, 3}};
    m.tensors[block + "ffn_up_exps.weight"] = {TensorType::kQ8_0, {64, 96, 3}};
    m.tensors[block + "ffn_down_exps.weight"] = {TensorType::kQ8_0, {96, 64, 3}};
  }
}

TEST(HostileModel, WhoseExpertsDoNotFitIsRefused) {
  SmallModel good;
  give_experts(good);
  ASSERT_TRUE(good.open().ok());
  const auto bad = [](auto change, ErrorCode code = ErrorCode::kCorrupt) {
    return refusal([&](SmallModel& m) { give_experts(m), change(m); }, code);
  };
  EXPECT_THAT(bad([](SmallModel& m) { m.numbers["llama.expert_used_count"] = 4; }),
              HasSubstr("expert_used_count is 4; it must be 1 to 3"));
  EXPECT_THAT(bad([](SmallModel& m) { m.numbers["llama.expert_count"] = 100000; }),
              HasSubstr("expert_count is 100000"));
  EXPECT_THAT(bad([](SmallModel& m) { m.numbers["llama.expert_count"] = 4; }),
              HasSubstr("tensor blk.0.ffn_gate_inp.weight is [3, 64], must be [4, 64]"));
  EXPECT_THAT(bad([](SmallModel& m) { m.tensors["blk.1.ffn_up_exps.weight"].dims = {64, 96}; }),
              HasSubstr("is [96, 64], must be [3, 96, 64] (experts, rows, columns)"));
  EXPECT_THAT(bad([](SmallModel& m) { m.numbers["llama.expert_gating_func"] = 2; },
                  ErrorCode::kUnsupported),
              HasSubstr("expert_gating_func is 2; routers with a softmax"));
  EXPECT_THAT(bad([](SmallModel& m) { m.tensors["blk.0.ffn_gate.weight"] = {TensorType::kQ8_0,
                                                                             {64, 96}}; },
                  ErrorCode::kUnsupported),
              HasSubstr("blk.0.ffn_gate.weight has no place"));
}

TEST(HostileModel, WithZeroHeadsIsRefused) {
  EXPECT_THAT(refusal([](SmallModel& m) { m.numbers["llama.attention.head_count"] = 0; }),
              HasSubstr("llama.attention.head_count is 0; it must be 1 to"));
  EXPECT_THAT(refusal([](SmallModel& m) { m.numbers["llama.attention.head_count_kv"] = 0; }),
              HasSubstr("llama.attention.head_count_kv is 0"));
}

TEST(HostileModel, WhoseKvHeadsDoNotDivideItsHeadsIsRefused) {
  EXPECT_THAT(refusal([](SmallModel& m) { m.numbers["llama.attention.head_count_kv"] = 3; }),
              HasSubstr("is 3, which does not divide the 4 heads"));
  EXPECT_THAT(refusal([](SmallModel& m) { m.numbers["llama.attention.head_count_kv"] = 8; }),
              HasSubstr("does not divide"));
}

TEST(HostileModel, WhoseNumbersAreZeroHugeOrMissingIsRefused) {
  for (const std::string key : {"llama.block_count", "llama.embedding_length",
                                "llama.feed_forward_length", "llama.context_length"}) {
    for (const uint32_t value : {0u, UINT32_MAX}) {
      EXPECT_THAT(refusal([&](SmallModel& m) { m.numbers[key] = value; }),
                  HasSubstr(cat(key, " is ", value)));
    }
    EXPECT_THAT(refusal([&](SmallModel& m) { m.numbers.erase(key); }),
                HasSubstr(cat(key, " is missing")));
  }
  EXPECT_THAT(refusal([](SmallModel& m) { m.numbers["llama.attention.key_length"] = 1 << 31; }),
              HasSubstr("key_length"));
  EXPECT_THAT(refusal([](SmallModel& m) { m.numbers["llama.embedding_length"] = 66; }),
              HasSubstr("llama.attention.key_length is missing"));
}

TEST(HostileModel, WhoseRotatedDimensionsExceedTheHeadIsRefused) {
  EXPECT_THAT(refusal([](SmallModel& m) { m.numbers["llama.rope.dimension_count"] = 18; }),
              HasSubstr("rope.dimension_count is 18; it must be even and at most the head's 16"));
  EXPECT_THAT(refusal([](SmallModel& m) { m.numbers["llama.rope.dimension_count"] = 15; }),
              HasSubstr("must be even"));
  EXPECT_THAT(refusal([](SmallModel& m) { m.fractions["llama.rope.freq_base"] = 0; }),
              HasSubstr("must be finite and above zero"));
  EXPECT_THAT(refusal([](SmallModel& m) {
                m.fractions["llama.attention.layer_norm_rms_epsilon"] = std::nanf("");
              }),
              HasSubstr("must be finite"));
}

TEST(HostileModel, WithoutATensorItNeedsIsRefusedByItsName) {
  EXPECT_THAT(refusal([](SmallModel& m) { m.tensors.erase("blk.1.ffn_up.weight"); }),
              HasSubstr("tensor blk.1.ffn_up.weight is missing"));
  EXPECT_THAT(refusal([](SmallModel& m) { m.tensors.erase("token_embd.weight"); }),
              HasSubstr("tensor token_embd.weight is missing"));
}

TEST(HostileModel, WithATensorOfTheWrongShapeIsRefusedWithBothShapes) {
  EXPECT_THAT(refusal([](SmallModel& m) {
                m.tensors["blk.0.ffn_down.weight"].dims = {64, 96};
              }),
              HasSubstr("tensor blk.0.ffn_down.weight is [96, 64], must be [64, 96]"));
  EXPECT_THAT(refusal([](SmallModel& m) {
                m.tensors["blk.0.attn_norm.weight"].dims = {64, 1};
              }),
              HasSubstr("is [1, 64], must be [64]"));
  EXPECT_THAT(refusal([](SmallModel& m) { m.tensors["token_embd.weight"].dims = {64}; }),
              HasSubstr("token_embd.weight is [64], must be a matrix"));
}

TEST(HostileModel, WhoseVocabularyAndEmbeddingDifferIsRefused) {
  EXPECT_THAT(refusal([](SmallModel& m) { m.tokens.pop_back(); }),
              HasSubstr("the tokenizer has 263 tokens, but tensor token_embd.weight has 264 rows"));
}

TEST(HostileModel, WithBadRotaryDivisorsIsRefused) {
  const auto with = [](SmallModel::Tensor tensor) {
    return [tensor](SmallModel& m) { m.tensors["rope_freqs.weight"] = tensor; };
  };
  EXPECT_EQ(refusal(with({TensorType::kF32, {8}, 1})), "it was accepted");
  EXPECT_THAT(refusal(with({TensorType::kF32, {8}, 0})), HasSubstr("above zero"));
  EXPECT_THAT(refusal(with({TensorType::kF32, {4}, 1})), HasSubstr("is [4] of F32, must be [8]"));
}

TEST(HostileModel, WithATensorThatHasNoPlaceOrAVectorOfAnotherTypeIsRefused) {
  EXPECT_THAT(refusal(
                  [](SmallModel& m) {
                    m.tensors["blk.0.attn_q.bias"] = {TensorType::kF32, {64}};
                  },
                  ErrorCode::kUnsupported),
              HasSubstr("tensor blk.0.attn_q.bias has no place"));
  EXPECT_THAT(
      refusal([](SmallModel& m) { m.tensors["output_norm.weight"].type = TensorType::kF16; },
              ErrorCode::kUnsupported),
      HasSubstr("vectors must be F32"));
}

TEST(HostileModel, OfAnotherArchitectureOrASplitFileIsNamed) {
  EXPECT_THAT(refusal([](SmallModel& m) { m.texts["general.architecture"] = "mam\x1b\nba"; },
                      ErrorCode::kUnsupported),
              HasSubstr("architecture 'mam??ba' is not supported "
                        "(supported: llama, qwen2, qwen3, qwen3moe, gemma2, gemma3, phi3, "
                        "gpt-oss)"));
  EXPECT_THAT(
      refusal([](SmallModel& m) { m.texts.erase("general.architecture"); }, ErrorCode::kNotFound),
      HasSubstr("general.architecture is missing"));
  EXPECT_THAT(refusal([](SmallModel& m) { m.numbers["split.count"] = 3; }, ErrorCode::kUnsupported),
              HasSubstr("one of 3 files"));
  const auto later_part = [](SmallModel& m) {
    m.texts.clear();
    m.numbers = {{"split.count", 3}, {"split.no", 1}};
  };
  EXPECT_THAT(refusal(later_part, ErrorCode::kUnsupported),
              HasSubstr("llama-gguf-split --merge FIRST-PART.gguf WHOLE.gguf"));
  EXPECT_THAT(Model::open("/nowhere/m.gguf").error().message,
              HasSubstr("cannot load /nowhere/m.gguf: open"));
}

}  // namespace
}  // namespace weft::model
