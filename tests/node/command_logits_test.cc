#include "node/command_logits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "model/synth.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

class Logits : public ::testing::Test {
 protected:
  void SetUp() override {
    model::SynthOptions synth;
    synth.path = folder_ / "nano.gguf";
    synth.shape = "nano";
    synth.quant = "q8_0";
    ASSERT_TRUE(model::write_synthetic(synth).ok());
    options_.model_path = synth.path;
    options_.tokens = "5,17,3,200,44";
    options_.out = folder_ / "out";
    options_.backend.threads = 1;
  }
  Bytes written(const LogitsOptions& options) {
    const auto done = write_logits(options);
    EXPECT_TRUE(done.ok()) << done.error().message;
    auto bytes = read_file(options.out, 1 << 20);
    return bytes.ok() ? *std::move(bytes) : Bytes();
  }
  test::TemporaryFolder folder_;
  LogitsOptions options_;
};

TEST_F(Logits, AreTheSameBytesInChunksAndThroughSeveralStages) {
  const Bytes whole = written(options_);
  EXPECT_EQ(whole.size(), 5u * 384 * 4);
  LogitsOptions chunks = options_;
  chunks.chunk = 2;
  EXPECT_EQ(written(chunks), whole);
  LogitsOptions stages = options_;
  stages.split = "1,2";
  EXPECT_EQ(written(stages), whole);
}

TEST_F(Logits, NameWhatIsWrongAndWriteNothing) {
  const auto refused = [&](const LogitsOptions& options) {
    const auto done = write_logits(options);
    EXPECT_FALSE(done.ok());
    EXPECT_EQ(read_file(options.out, 1).error().code, ErrorCode::kNotFound);
    return done.ok() ? std::string() : done.error().message;
  };
  LogitsOptions options = options_;
  options.tokens = "1,384";
  EXPECT_THAT(refused(options), HasSubstr("384"));
  options = options_;
  options.split = "9";
  EXPECT_FALSE(refused(options).empty());
  options = options_;
  options.kv = "q3";
  EXPECT_THAT(refused(options), HasSubstr("--kv"));
  options = options_;
  options.backend.name = "vulkan";
  options.backend.vulkan_device = "no such device";
  EXPECT_FALSE(refused(options).empty());
}

}  // namespace
}  // namespace weft::node
