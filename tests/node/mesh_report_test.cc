#include "node/mesh_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

const Json kPlan = Json::parse(R"({
  "epoch": 7, "model_name": "tiny", "layer_count": 12, "active": true,
  "predicted": {"decode_tps": 20.5},
  "stages": [{"name": "desk", "first_layer": 0, "last_layer": 8},
             {"name": "shelf", "first_layer": 8, "last_layer": 12}],
  "left_out": [{"name": "phone", "reason": "too little memory"}]})");

TEST(MeshReport, APlanShowsItsStagesAndWhoWasLeftOut) {
  const std::string text = plan_text(kPlan);
  EXPECT_THAT(text, HasSubstr("plan 7: tiny over 12 layers\n"));
  EXPECT_THAT(text, HasSubstr("20.5 tokens/s"));
  EXPECT_THAT(text, HasSubstr("layers   8-11"));
  EXPECT_THAT(text, HasSubstr("left out: too little memory"));
}

TEST(MeshReport, APlanThatLoadsSaysHowFarItIs) {
  Json plan = kPlan;
  plan["active"] = false;
  plan["progress"] = 0.25;
  EXPECT_THAT(plan_text(plan), HasSubstr("(loading, 25 %)"));
}

TEST(MeshReport, APreviewSaysThatItIsOne) {
  Json plan = kPlan;
  plan["active"] = false;
  plan["epoch"] = 0;
  plan["preview"] = true;
  EXPECT_THAT(plan_text(plan), HasSubstr("preview: tiny over 12 layers, if it were served"));
  EXPECT_THAT(plan_text(plan), Not(HasSubstr("loading")));
}

TEST(MeshReport, AStatusMarksThisNodeAndTheCoordinatorAndNamesTheProblem) {
  const Json mesh = Json::parse(R"({"coordinator": "b", "problem": "no model is offered",
    "refusal": {"model_name": "vast", "reason": "tiny is served"},
    "nodes": [{"id": "a", "name": "desk", "self": true, "state": "alive"},
              {"id": "b", "name": "shelf", "state": "suspect",
               "layers": {"first": 3, "last": 5}}]})");
  const std::string text = status_text(mesh);
  EXPECT_THAT(text, HasSubstr("desk (this) "));
  EXPECT_THAT(text, HasSubstr("shelf *"));
  EXPECT_THAT(text, HasSubstr("3-4"));
  EXPECT_THAT(text, HasSubstr("problem: no model is offered\nrefused: vast: tiny is served\n"));
}

TEST(MeshReport, MissingAndWrongFieldsReadAsNothing) {
  const Json mesh =
      Json::parse(R"({"nodes": [{"name": 5, "load": null, "layers": null}], "plan": null})");
  EXPECT_THAT(status_text(mesh), Not(HasSubstr("plan")));
  EXPECT_FALSE(plan_text(Json::object()).empty());
}

TEST(MeshReport, ALongProblemIsShownWholeInLinesOfAHundredColumns) {
  std::string problem = "the model needs 5.1 GiB and the mesh offers less:";
  for (int i = 0; i < 40; ++i) problem += cat(" node", i, " has ", i, " MiB,");
  problem += " start another node\x1b[2J";
  const std::string text = status_text({{"problem", problem}});
  std::string joined;
  for (const std::string& line : split(text, '\n')) {
    EXPECT_LE(line.size(), 100u) << line;
    joined += std::string(trim(line)) + " ";
  }
  EXPECT_THAT(joined, HasSubstr("problem: " + problem.substr(0, problem.size() - 4) + "?[2J"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(MeshReport, AStatusShowsTheAlarm) {
  EXPECT_THAT(status_text({{"alarm", "ALARM: two different rosters"}}),
              HasSubstr("! ALARM: two different rosters (`weft members --clear-alarm` then).\n"));
  EXPECT_THAT(status_text({{"alarm", nullptr}}), Not(HasSubstr("!")));
}

TEST(MeshReport, AStatusShowsTheWarning) {
  EXPECT_THAT(status_text({{"warning", "other LoRA adapters"}}),
              HasSubstr("warning: other LoRA adapters\n"));
  EXPECT_THAT(status_text({{"warning", nullptr}}), Not(HasSubstr("warning")));
}

TEST(MeshReport, AWordLongerThanALineStaysWhole) {
  const std::string word(150, 'x');
  EXPECT_THAT(status_text({{"problem", word + " end"}}),
              HasSubstr("problem: " + word + "\n         end\n"));
}

TEST(MeshReport, ANamesControlCharactersDoNotReachTheTerminal) {
  const Json mesh = {{"nodes", {{{"name", "a\x1b[2Jb"}}}}};
  EXPECT_THAT(status_text(mesh), Not(HasSubstr("\x1b")));
}

TEST(MeshReport, ListsTheVulkanDevicesOfThisMachine) {
  const nlohmann::ordered_json mesh = {
      {"vulkan_devices",
       {{{"index", 0}, {"name", "A card"}, {"kind", "discrete"}, {"memory_bytes", 8ull << 30}}}}};
  EXPECT_THAT(status_text(mesh), HasSubstr("   0  A card"));
  EXPECT_THAT(status_text(mesh), HasSubstr("8.0 GiB"));
  EXPECT_THAT(status_text({{"vulkan_devices", nlohmann::ordered_json::array()}}),
              Not(HasSubstr("Vulkan")));
}

}  // namespace
}  // namespace weft::node
