#include "node/command_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/synth.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

BenchOptions nano(const test::TemporaryFolder& folder) {
  model::SynthOptions synth;
  synth.path = folder / "nano.gguf";
  synth.shape = "nano";
  synth.quant = "q4_0";
  EXPECT_TRUE(model::write_synthetic(synth).ok());
  BenchOptions options;
  options.model_path = synth.path;
  options.prompt_tokens = {8};
  options.new_tokens = 4;
  options.backend.threads = 1;
  options.repeat = 1;
  options.json = true;
  return options;
}

TEST(Bench, PrintsFiguresThatFitTogether) {
  test::TemporaryFolder folder;
  ::testing::internal::CaptureStdout();
  const auto done = bench_model(nano(folder));
  const std::string out = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(done.ok()) << done.error().message;
  const auto json = nlohmann::json::parse(out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << out;
  EXPECT_EQ(json["backend"], "cpu");
  EXPECT_EQ(json["threads"], 1);
  EXPECT_GT(json["prefill_tps"].get<double>(), 0);
  const double bound = json["read_gbps"].get<double>() * 1e9 / json["weight_bytes"].get<double>();
  EXPECT_NEAR(json["roofline_fraction"].get<double>(), json["decode_tps"].get<double>() / bound,
              1e-6);
}

// Its bound is that of the device's memory, not of the processor's.
TEST(Bench, OfAVulkanDeviceSaysWhichAndWhatItsMemoryDoes) {
  const auto devices = kernels::list_vulkan_devices();
  if (!devices.ok() || devices->empty()) GTEST_SKIP() << "no Vulkan device here";
  test::TemporaryFolder folder;
  BenchOptions options = nano(folder);
  options.backend.name = "vulkan";
  options.backend.vulkan_device = "0";
  ::testing::internal::CaptureStdout();
  const auto done = bench_model(options);
  const std::string out = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(done.ok()) << done.error().message;
  const auto json = nlohmann::json::parse(out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << out;
  EXPECT_EQ(json["device"]["name"], devices->at(0).name);
  EXPECT_EQ(json["device"]["kind"], kernels::vulkan_device_kind_name(devices->at(0).kind));
  for (const char* rate : {"half_tflops", "byte_tops"}) {
    EXPECT_NE(json.contains(rate), json.contains("rates_absent")) << out;
    if (json.contains(rate)) {
      EXPECT_GT(json[rate].get<double>(), 0);
    }
  }
  if (!json.contains("copy_gbps")) GTEST_SKIP() << "the device has no clock";
  const double bound = json["copy_gbps"].get<double>() * 1e9 / json["weight_bytes"].get<double>();
  EXPECT_NEAR(json["roofline_fraction"].get<double>(), json["decode_tps"].get<double>() / bound,
              1e-6);
}

TEST(Bench, CountsATiedEmbeddingAndNoOther) {
  test::TemporaryFolder folder;
  const auto model = model::Model::open(nano(folder).model_path);
  ASSERT_TRUE(model.ok());
  uint64_t all = 0;
  for (const auto& tensor : model->file().tensors()) all += tensor.bytes;
  ASSERT_EQ(&model->output(), &model->token_embedding());
  EXPECT_EQ(weight_bytes_per_token(*model), all);
}

TEST(Bench, CountsWhatTheLayersMultiply) {
  test::TemporaryFolder folder;
  const auto model = model::Model::open(nano(folder).model_path);
  ASSERT_TRUE(model.ok());
  uint64_t matrices = 0;
  for (const auto& tensor : model->file().tensors()) {
    if (tensor.dims.size() == 2) matrices += tensor.elements;
  }
  EXPECT_EQ(layer_parameters_per_token(*model), matrices - model->token_embedding().elements);
}

TEST(Bench, NamesBothNumbersWhereTheContextIsTooSmall) {
  test::TemporaryFolder folder;
  BenchOptions options = nano(folder);
  options.prompt_tokens = {8, 9000};
  const auto done = bench_model(options);
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().message, HasSubstr("9004"));
  EXPECT_THAT(done.error().message, HasSubstr("8192"));
}

TEST(Bench, MeasuresEveryPromptWithEveryNumberOfSessions) {
  test::TemporaryFolder folder;
  BenchOptions options = nano(folder);
  options.prompt_tokens = {5, 40};
  options.sessions = {1, 3};
  ::testing::internal::CaptureStdout();
  const auto done = bench_model(options);
  const std::string out = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(done.ok()) << done.error().message;
  const auto json = nlohmann::json::parse(out, nullptr, false);
  ASSERT_EQ(json["points"].size(), 4u) << out;
  EXPECT_EQ(json["points"][3]["prompt_tokens"], 40);
  EXPECT_EQ(json["points"][3]["sessions"], 3);
  for (const auto& point : json["points"]) {
    EXPECT_GT(point["prefill_tps"].get<double>(), 0);
    EXPECT_GT(point["decode_tps"].get<double>(), 0);
  }
  EXPECT_GT(json["resident_bytes"].get<uint64_t>(), json["weight_bytes"].get<uint64_t>());
}

TEST(Bench, RefusesNoSessionsAndMorePointsThanItsLimit) {
  test::TemporaryFolder folder;
  BenchOptions options = nano(folder);
  options.sessions = {0};
  EXPECT_THAT(bench_model(options).error().message, HasSubstr("--sessions"));
  options.sessions.assign(kBenchPointsMax + 1, 1);
  EXPECT_THAT(bench_model(options).error().message, HasSubstr("64"));
}

TEST(Median, IsTheMiddleOne) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1}), 2.5);
}

}  // namespace
}  // namespace weft::node
