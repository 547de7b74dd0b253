#include "node/command_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/model/small_model.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

std::string show(const std::string& path, bool json) {
  ::testing::internal::CaptureStdout();
  const auto done = show_model(path, json);
  std::string out = ::testing::internal::GetCapturedStdout();
  EXPECT_TRUE(done.ok()) << done.error().message;
  return out;
}

TEST(Info, TellsWhatTheModelIsAndTakes) {
  test::TemporaryFolder folder;
  model::SmallModel().write(folder / "m.gguf");
  const auto json = nlohmann::json::parse(show(folder / "m.gguf", true), nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["architecture"], "llama");
  EXPECT_EQ(json["layer_count"], 2);
  EXPECT_EQ(json["kv_bytes_per_token"]["f16"], 2 * 2 * 32 * 2);  // layers, k and v, width, bytes
  EXPECT_EQ(json["memory"]["context_tokens"], 128);
  EXPECT_EQ(json["memory"]["kv_bytes"], 256 * 128);
  EXPECT_EQ(json["chat_template"], false);
  EXPECT_THAT(show(folder / "m.gguf", false), HasSubstr("256 B per token"));
}

TEST(Info, SaysWhyAFileIsNoModel) {
  test::TemporaryFolder folder;
  EXPECT_EQ(show_model(folder / "none.gguf", false).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace weft::node
