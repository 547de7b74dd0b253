#include "kernels/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/tiny_model.h"

namespace weft::kernels {
namespace {

TEST(EvaluateLogits, ChunksAndCutsGiveTheSameBytes) {
  for (const KvType kv_type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
    const TinyModel tiny;
    const auto backend = make_reference_backend();
    const auto tokens = tiny.tokens(70);
    const auto whole = evaluate_logits(*backend, tiny.get(), tokens, {.kv_type = kv_type}).value();
    ASSERT_EQ(whole.size(), 70u * 61);
    for (const uint32_t chunk : {1u, 7u, 48u, 500u}) {
      for (const auto& cuts : {std::vector<uint32_t>{}, {1}, {2}, {1, 2}}) {
        const EvaluateOptions options{.chunk = chunk, .cuts = cuts, .kv_type = kv_type};
        EXPECT_EQ(evaluate_logits(*backend, tiny.get(), tokens, options).value(), whole)
            << "chunk " << chunk << ", " << cuts.size() << " cuts";
      }
    }
  }
}

TEST(EvaluateLogits, TheCacheTypeMatters) {
  const TinyModel tiny;
  const auto backend = make_reference_backend();
  const auto tokens = tiny.tokens(8);
  const auto f32 = evaluate_logits(*backend, tiny.get(), tokens, {.kv_type = KvType::kF32}).value();
  const auto f16 = evaluate_logits(*backend, tiny.get(), tokens, {.kv_type = KvType::kF16}).value();
  const auto q8 = evaluate_logits(*backend, tiny.get(), tokens, {.kv_type = KvType::kQ8_0}).value();
  EXPECT_NE(f32, f16);
  EXPECT_NE(f32, q8);
  for (size_t i = 0; i < f32.size(); ++i) EXPECT_NEAR(f32[i], f16[i], 0.05);
  for (size_t i = 0; i < f32.size(); ++i) EXPECT_NEAR(f32[i], q8[i], 0.2);
}

TEST(EvaluateLogits, WhatDoesNotFitIsInvalidAndSaysWhy) {
  const TinyModel tiny;
  const auto backend = make_reference_backend();
  const auto refused = [&](std::vector<TokenId> tokens, std::vector<uint32_t> cuts) {
    const auto result = evaluate_logits(*backend, tiny.get(), tokens, {.cuts = std::move(cuts)});
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
    return result.error().message;
  };
  EXPECT_THAT(refused({}, {}), testing::HasSubstr("no tokens"));
  EXPECT_THAT(refused(tiny.tokens(161), {}), testing::HasSubstr("context of 160"));
  EXPECT_THAT(refused({61}, {}), testing::HasSubstr("token 61"));
  for (const auto& cuts : {std::vector<uint32_t>{0}, {3}, {2, 2}, {2, 1}}) {
    EXPECT_THAT(refused({1}, cuts), testing::HasSubstr("cannot cut"));
  }
}

}  // namespace
}  // namespace weft::kernels
