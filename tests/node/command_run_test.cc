#include "node/command_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/synth.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

class Run : public ::testing::Test {
 protected:
  void SetUp() override {
    model::SynthOptions synth;
    synth.path = folder_ / "nano.gguf";
    synth.shape = "nano";
    ASSERT_TRUE(model::write_synthetic(synth).ok());
    options_.model = "nano";
    options_.model_dirs = {folder_.path()};
    options_.dir = folder_ / "state";
    options_.prompt = "hello";
    options_.max_tokens = 6;
    options_.backend.threads = 1;
  }
  test::TemporaryFolder folder_;
  RunOptions options_;
};

TEST_F(Run, StreamsTextOrGivesOneObjectOfTheSameText) {
  ::testing::internal::CaptureStdout();
  auto done = run_model(options_);
  const std::string text = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(done.ok()) << done.error().message;
  options_.json = true;
  ::testing::internal::CaptureStdout();
  done = run_model(options_);
  const std::string out = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(done.ok()) << done.error().message;
  const auto json = nlohmann::json::parse(out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << out;
  EXPECT_EQ(json["text"].get<std::string>() + "\n", text);
  EXPECT_EQ(json["model"], "nano");
  EXPECT_GT(json["usage"]["prompt_tokens"].get<int>(), 0);
  EXPECT_LE(json["usage"]["completion_tokens"].get<int>(), 6);
}

TEST_F(Run, SaysWhatToDoWithoutTheModel) {
  options_.model = "missing.gguf";
  const auto done = run_model(options_);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(done.error().message, HasSubstr("--model-dir"));
}

TEST_F(Run, SaysWhoAppliesAdaptersInAMesh) {
  options_.mesh = true;
  options_.lora = {"a.gguf"};
  const auto done = run_model(options_);
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().message, HasSubstr("give it to `weft up` on each of them"));
}

TEST_F(Run, SaysToStartANodeWhereTheMeshIsAskedAndNoneRuns) {
  options_.mesh = true;
  const auto done = run_model(options_);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(done.error().message, HasSubstr("weft up"));
}

TEST_F(Run, WantsAPromptForRawText) {
  options_.prompt.reset();
  options_.raw = true;
  const auto done = run_model(options_);
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().message, HasSubstr("-p"));
}

}  // namespace
}  // namespace weft::node
