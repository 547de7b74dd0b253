#include "node/command_logits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "model/synth.h"
#include "tests/model/small_adapter.h"
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

TEST_F(Logits, WithAnAdapterAreThoseOfTheMergedModel) {
  ASSERT_TRUE(model::write_synthetic({.path = options_.model_path, .shape = "nano",
                                      .quant = "f32"}).ok());
  const auto base = model::Model::open(options_.model_path).value();
  model::SmallAdapter small;
  small.pairs_of(base);
  small.write(folder_ / "a.gguf");
  const auto numbers = [&](const LogitsOptions& options) {
    const Bytes bytes = written(options);
    std::vector<float> values(bytes.size() / 4);
    std::memcpy(values.data(), bytes.data(), values.size() * 4);
    return values;
  };
  LogitsOptions adapted = options_, merged = options_;
  adapted.lora = {folder_ / "a.gguf:0.5"};
  merged.model_path = folder_ / "merged.gguf";
  model::write_merged(base, *model::open_adapter({folder_ / "a.gguf", 0.5}).value(),
                      merged.model_path);
  EXPECT_THAT(numbers(adapted), ::testing::Pointwise(::testing::FloatNear(1e-4f),
                                                     numbers(merged)));
  EXPECT_NE(numbers(adapted), numbers(options_));
  adapted.lora = {folder_ / "a.gguf:0"};
  EXPECT_EQ(numbers(adapted), numbers(options_));
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
  options.lora = {options.model_path};
  EXPECT_THAT(refused(options), HasSubstr("it is no adapter"));
  options = options_;
  options.backend.name = "vulkan";
  options.backend.vulkan_device = "no such device";
  EXPECT_FALSE(refused(options).empty());
}

}  // namespace
}  // namespace weft::node
