#include "model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(Model, GoldenModelsOfOtherFamiliesAreRefusedByName) {
  WEFT_GOLDEN_OR_SKIP(golden);
  const auto phi = Model::open(golden + "/logits/phi3.gguf");
  ASSERT_FALSE(phi.ok());
  EXPECT_EQ(phi.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(phi.error().message, HasSubstr("'phi3' is not supported (supported: llama)"));
  const auto experts = Model::open(golden + "/logits/moe-llama.gguf");
  ASSERT_FALSE(experts.ok());
  EXPECT_THAT(experts.error().message, HasSubstr("mixture of experts"));
}

}  // namespace
}  // namespace weft::model
