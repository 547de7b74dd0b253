#include "node/command_quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "model/model.h"
#include "model/synth.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

class QuantizeCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.input = folder_ / "in.gguf";
    options_.output = folder_ / "out.gguf";
    options_.type = "Q4_K_M";
    ASSERT_TRUE(
        model::write_synthetic({.path = options_.input, .shape = "tiny", .quant = "f16"}).ok());
  }

  Error refusal() {
    const auto done = quantize_model(options_);
    EXPECT_FALSE(done.ok());
    return done.ok() ? Error(ErrorCode::kInternal, "") : done.error();
  }

  test::TemporaryFolder folder_;
  QuantizeOptions options_;
};

TEST_F(QuantizeCommand, WritesAModelAndSaysWhatItDid) {
  options_.json = true;
  options_.threads = 2;
  ::testing::internal::CaptureStdout();
  const auto done = quantize_model(options_);
  const std::string out = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(done.ok()) << done.error().message;
  const auto json = nlohmann::json::parse(out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << out;
  EXPECT_EQ(json["type"], "Q4_K_M");
  EXPECT_EQ(json["threads"], 2);
  EXPECT_EQ(json["output_bytes"], read_file(options_.output, 1 << 26)->size());
  EXPECT_NEAR(json["relative_error"].get<double>(), 0.07, 0.005);
  EXPECT_GT(json["bits_per_weight"].get<double>(), 4.5);
  uint32_t tensors = 0;
  for (const auto& type : json["quantization"]) tensors += type["tensors"].get<uint32_t>();
  const auto model = model::Model::open(options_.output);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(tensors, model->file().tensors().size());
}

TEST_F(QuantizeCommand, ReplacesAFileOnlyWhenItIsToldTo) {
  ASSERT_TRUE(write_file_atomic(options_.output, as_bytes("precious")).ok());
  const Error refused = refusal();
  EXPECT_EQ(refused.code, ErrorCode::kConflict);
  EXPECT_THAT(refused.message, HasSubstr("--force"));
  EXPECT_EQ(read_file(options_.output, 100)->size(), 8u);
  options_.force = true;
  ASSERT_TRUE(quantize_model(options_).ok());
  EXPECT_TRUE(model::Model::open(options_.output).ok());
}

TEST_F(QuantizeCommand, DoesNotWriteOverItsInputOrAFolder) {
  options_.force = true;
  options_.output = options_.input;
  EXPECT_EQ(refusal().code, ErrorCode::kInvalid);
  EXPECT_TRUE(model::Model::open(options_.input).ok());
  options_.output = folder_.path();
  EXPECT_EQ(refusal().code, ErrorCode::kInvalid);
}

TEST_F(QuantizeCommand, SaysWhichFileItCannotQuantizeAndWhy) {
  options_.type = "Q3_K_M";
  EXPECT_THAT(refusal().message, HasSubstr("there are Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0"));
  options_.type = "q4_0";
  ASSERT_TRUE(
      model::write_synthetic({.path = options_.input, .shape = "tiny", .quant = "q4_k_m"}).ok());
  const Error twice = refusal();
  EXPECT_EQ(twice.code, ErrorCode::kUnsupported);
  EXPECT_THAT(twice.message, HasSubstr("in.gguf"));
  EXPECT_FALSE(std::filesystem::exists(options_.output));
}

}  // namespace
}  // namespace weft::node
