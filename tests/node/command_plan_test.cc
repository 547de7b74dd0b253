#include "node/command_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/synth.h"
#include "tests/node/scripted_server.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

const std::string kMesh = ScriptedServer::json(200, R"({"plan": {"epoch": 7, "model_name": "tiny",
    "layer_count": 12, "active": true, "stages": []}, "problem": null})");
const std::string kNoPlan =
    ScriptedServer::json(200, R"({"plan": null, "problem": "no member holds a model file"})");
const std::string kPreview = ScriptedServer::json(200, R"({"epoch": 0, "model_name": "nano",
    "layer_count": 3, "preview": true, "stages": []})");
const std::string kUnknown =
    ScriptedServer::json(404, R"({"error": {"message": "no such model"}})");

Result<std::string> report(ScriptedServer& server, const std::string& model, bool json = false) {
  WEFT_TRY(const HttpClient client, HttpClient::to(server.address()));
  return plan_report(client, model, json);
}

TEST(CommandPlan, ShowsTheServedPlanByAnyOfItsNames) {
  for (const char* model : {"", "tiny", "some/folder/tiny.gguf"}) {
    ScriptedServer server({{kMesh}});
    const auto text = report(server, model);
    ASSERT_TRUE(text.ok()) << text.error().message;
    EXPECT_THAT(*text, HasSubstr("plan 7: tiny over 12 layers\n"));
  }
}

TEST(CommandPlan, AsksForAPreviewOfAnotherModel) {
  for (const std::string& mesh : {kMesh, kNoPlan}) {
    ScriptedServer server({{mesh}, {kPreview}});
    const auto text = report(server, "nano");
    ASSERT_TRUE(text.ok()) << text.error().message;
    EXPECT_THAT(*text, HasSubstr("preview: nano over 3 layers"));
    ASSERT_THAT(server.requests(), SizeIs(2));
    EXPECT_THAT(server.requests()[1], HasSubstr("POST /api/plan"));
    EXPECT_THAT(server.requests()[1], HasSubstr(R"({"model":"nano"})"));
  }
}

TEST(CommandPlan, GivesTheShapeOfAFileThatTheMeshDoesNotHave) {
  test::TemporaryFolder folder;
  model::SynthOptions synth;
  synth.path = folder / "nano.gguf";
  synth.shape = "nano";
  ASSERT_TRUE(model::write_synthetic(synth).ok());
  ScriptedServer server({{kMesh}, {kUnknown}, {kPreview}});
  const auto text = report(server, synth.path, true);
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_THAT(*text, HasSubstr("\"preview\":true"));
  ASSERT_THAT(server.requests(), SizeIs(3));
  EXPECT_THAT(server.requests()[2], HasSubstr("\"shape\":{\"name\":\"nano\""));
}

TEST(CommandPlan, GivesTheNodesWordsForWhatFitsNowhereOrIsUnknown) {
  ScriptedServer server(
      {{kMesh},
       {ScriptedServer::json(503, R"({"error": {"message": "needs 5 GiB, there are 3 GiB"}})")},
       {kMesh},
       {kUnknown},
       {kNoPlan}});
  EXPECT_EQ(report(server, "large").error().message, "needs 5 GiB, there are 3 GiB");
  EXPECT_EQ(report(server, "none").error().code, ErrorCode::kNotFound);
  const auto nothing = report(server, "");
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(nothing.error().message, "no member holds a model file");
}

}  // namespace
}  // namespace weft::node
