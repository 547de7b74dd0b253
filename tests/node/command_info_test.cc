#include "node/command_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/synth.h"
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

TEST(Info, SaysWhatATypeIsComputedAsAndTheMemoryThatTakes) {
  test::TemporaryFolder folder;
  const std::string path = folder / "m.gguf";
  ASSERT_TRUE(model::write_synthetic({.path = path, .shape = "tiny", .quant = "iq2_s"}).ok());
  const auto json = nlohmann::json::parse(show(path, true), nullptr, false);
  uint64_t in_memory = 0;
  for (const auto& type : json["quantization"]) {
    in_memory += type["memory_bytes"].get<uint64_t>();
    if (type["type"] == "F32") {
      EXPECT_EQ(type["computed_as"], "F32");
      EXPECT_EQ(type["memory_bytes"], type["bytes"]);
      continue;
    }
    EXPECT_EQ(type["type"], "IQ2_S");
    EXPECT_EQ(type["computed_as"], "Q8_0");
    EXPECT_EQ(type["rounded"], true);
    EXPECT_EQ(type["memory_bytes"].get<uint64_t>(), type["elements"].get<uint64_t>() / 32 * 34);
  }
  EXPECT_EQ(json["memory"]["weight_bytes"], in_memory);
  EXPECT_GT(json["layer_memory_bytes_max"], json["layer_bytes_max"]);
  EXPECT_THAT(show(path, false), HasSubstr("computed as Q8_0 (rounded to 8 bits): "));
  ASSERT_TRUE(model::write_synthetic({.path = path, .shape = "tiny", .quant = "tq2_0"}).ok());
  EXPECT_THAT(show(path, false), HasSubstr("computed as Q4_0 (same values): "));
  for (const std::string quant : {"q8_0", "iq4_nl", "iq4_xs", "mxfp4"}) {
    ASSERT_TRUE(model::write_synthetic({.path = path, .shape = "tiny", .quant = quant}).ok());
    EXPECT_THAT(show(path, false), ::testing::Not(HasSubstr("computed as"))) << quant;
  }
}

TEST(Info, SaysWhyAFileIsNoModel) {
  test::TemporaryFolder folder;
  EXPECT_EQ(show_model(folder / "none.gguf", false).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace weft::node
