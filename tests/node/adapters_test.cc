#include "node/adapters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "tests/model/small_adapter.h"
#include "tests/model/small_model.h"
#include "tests/support/fake_mesh.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class AdaptersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    model::SmallModel().write(folder_ / "m.gguf");
    small_.pair("blk.0.attn_q.weight", 64, 64, 8, model::TensorType::kF16);
    small_.write(good_);
    small_.texts["general.architecture"] = "qwen2";
    small_.write(other_);
  }
  model::Model model() { return model::Model::open(folder_ / "m.gguf").value(); }

  test::TemporaryFolder folder_;
  model::SmallAdapter small_;
  const std::string good_ = folder_ / "good.gguf", other_ = folder_ / "other.gguf";
};

TEST(LoraOption, IsRepeatableAndRefusesWhatIsNoChoice) {
  const auto parse = [](const std::string& line) {
    std::vector<std::string> choices;
    CLI::App app;
    add_lora_option(&app, choices);
    app.parse(line);
    return choices;
  };
  EXPECT_THAT(parse("--lora a.gguf --lora b.gguf:-0.5"), ElementsAre("a.gguf", "b.gguf:-0.5"));
  EXPECT_THROW(parse("--lora a.gguf:inf"), CLI::ParseError);
  EXPECT_THROW(parse("--lora a.gguf b.gguf"), CLI::ParseError);
}

TEST_F(AdaptersTest, OfACommandMustAllFitItsModel) {
  const auto fitted = adapters_for({good_, good_ + ":-2"}, model());
  ASSERT_TRUE(fitted.ok()) << fitted.error().message;
  ASSERT_EQ(fitted->size(), 2u);
  EXPECT_EQ(fitted->at(1)->layers[0].at(0).factor, -2.0f * 16 / 8);
  EXPECT_TRUE(adapters_for({}, model())->empty());
  EXPECT_THAT(adapters_for({good_, other_}, model()).error().message,
              HasSubstr("other.gguf does not fit"));
  EXPECT_EQ(adapters_for({folder_ / "none.gguf"}, model()).error().code, ErrorCode::kNotFound);
}

TEST_F(AdaptersTest, OfANodeAreThoseThatFit) {
  const AdapterFiles files = open_adapters({other_, good_ + ":0.5"}).value();
  const FittingAdapters fitting = fitting_adapters(files, model(), "m");
  EXPECT_EQ(fitting.adapters.size(), 1u);
  ASSERT_EQ(fitting.states.size(), 2u);
  EXPECT_EQ(fitting.states[0].file, "other.gguf");
  EXPECT_FALSE(fitting.states[0].applied);
  EXPECT_THAT(fitting.states[0].reason, HasSubstr("'qwen2', it must be 'llama'"));
  EXPECT_TRUE(fitting.states[1].applied);
  EXPECT_EQ(fitting.states[1].scale, 0.5f);
}

TEST_F(AdaptersTest, TakeAsMuchMemoryAsTheirMatrices) {
  EXPECT_EQ(adapter_memory({}), 0u);
  EXPECT_EQ(adapter_memory(open_adapters({good_}).value()), 8u * 64 * 2 + 64 * 8 * 4);
}

TEST_F(AdaptersTest, HaveADigestOfContentsScalesAndOrder) {
  const auto digest = [](const std::vector<std::string>& choices) {
    return adapters_digest(open_adapters(choices).value());
  };
  EXPECT_TRUE(digest({}).is_zero());
  std::filesystem::copy_file(good_, folder_ / "copy.gguf");
  const std::string copy = folder_ / "copy.gguf";
  EXPECT_EQ(digest({good_, other_}), digest({copy, other_ + ":1"}));
  EXPECT_NE(digest({good_, other_}), digest({other_, good_}));
  EXPECT_NE(digest({good_}), digest({good_ + ":0.5"}));
  EXPECT_NE(digest({good_}), digest({good_, good_}));
  small_.pair("blk.0.attn_k.weight", 32, 64, 8, model::TensorType::kF16);
  small_.write(copy);
  EXPECT_NE(digest({good_}), digest({copy}));
}

TEST(DifferingAdapters, AreToldOfThePlansStagesOnly) {
  mesh::View view = test::fake_mesh();
  EXPECT_EQ(differing_adapters(view), "");
  view.nodes[2].profile.adapters.bytes.fill(1);  // left out of the plan
  EXPECT_EQ(differing_adapters(view), "");
  view.nodes[1].name = "phone";
  view.nodes[1].profile.adapters.bytes.fill(2);
  EXPECT_THAT(differing_adapters(view),
              StartsWith("other LoRA adapters than on laptop are applied on phone, so"));
  view.nodes[0].profile.adapters.bytes.fill(2);
  EXPECT_EQ(differing_adapters(view), "");
  view.nodes[0].has_profile = false;  // not known yet
  view.nodes[0].profile = {};
  EXPECT_EQ(differing_adapters(view), "");
  EXPECT_EQ(differing_adapters({}), "");
}

}  // namespace
}  // namespace weft::node
