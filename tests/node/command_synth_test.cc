#include "node/command_synth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "model/model.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

TEST(Synth, ReplacesAFileOnlyWhenItIsToldTo) {
  test::TemporaryFolder folder;
  model::SynthOptions options;
  options.path = folder / "m.gguf";
  options.shape = "nano";
  ASSERT_TRUE(write_file_atomic(options.path, as_bytes("precious")).ok());
  const auto refused = make_synthetic(options, false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("--force"));
  EXPECT_EQ(read_file(options.path, 100)->size(), 8u);
  ASSERT_TRUE(make_synthetic(options, true).ok());
  EXPECT_TRUE(model::Model::open(options.path).ok());
}

TEST(Synth, RefusesAFolder) {
  test::TemporaryFolder folder;
  model::SynthOptions options;
  options.path = folder.path();
  EXPECT_EQ(make_synthetic(options, true).error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace weft::node
