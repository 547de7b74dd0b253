#include "node/mesh_json.h"

#include <gtest/gtest.h>

#include "tests/support/fake_mesh.h"

namespace weft::node {
namespace {

TEST(MeshJson, ShowsNodesWithTheirLayersLoadAndLinks) {
  const auto json = mesh_json(test::fake_mesh());
  ASSERT_EQ(json["nodes"].size(), 3u);
  const auto& laptop = json["nodes"][0];
  EXPECT_EQ(laptop["name"], "laptop");
  EXPECT_EQ(laptop["state"], "alive");
  EXPECT_EQ(laptop["self"], true);
  EXPECT_EQ(laptop["layers"]["first"], 0);
  EXPECT_EQ(laptop["layers"]["last"], 10);
  EXPECT_EQ(laptop["backend"], "cpu avx2, 2 threads");
  EXPECT_EQ(laptop["memory_bytes"], 8ull << 30);
  EXPECT_EQ(laptop["load"]["stage_sessions"], 2);
  EXPECT_EQ(laptop["links"][1]["name"], "old-phone");
  EXPECT_NEAR(laptop["links"][1]["round_trip_ms"].get<double>(), 3.6, 1e-9);
  EXPECT_EQ(json["nodes"][2]["state"], "suspect");
  EXPECT_TRUE(json["nodes"][2]["layers"].is_null());
}

TEST(MeshJson, ShowsThePlanAndWhoIsLeftOut) {
  const auto json = mesh_json(test::fake_mesh());
  EXPECT_EQ(json["coordinator"], to_string(test::fake_id(1)));
  EXPECT_EQ(json["plan"]["epoch"], 7);
  EXPECT_EQ(json["plan"]["predicted"]["decode_tps"], 21.5);
  EXPECT_EQ(json["plan"]["stages"][1]["first_layer"], 10);
  EXPECT_EQ(json["plan"]["left_out"][0]["reason"], "its link would make every token 31 ms slower");
  EXPECT_EQ(json["offers"][0]["holders"][0], to_string(test::fake_id(1)));
  EXPECT_EQ(json["sessions"][0]["prompt_tokens"], 17);
  EXPECT_TRUE(json["problem"].is_null());
}

TEST(MeshJson, SaysNullWhereThereIsNothing) {
  mesh::View view;
  view.problem = "no model is offered";
  view.nodes.resize(1);
  const auto json = mesh_json(view);
  EXPECT_TRUE(json["plan"].is_null());
  EXPECT_TRUE(json["coordinator"].is_null());
  EXPECT_TRUE(json["nodes"][0]["backend"].is_null());
  EXPECT_EQ(json["problem"], "no model is offered");
  EXPECT_TRUE(json["alarm"].is_null());
  EXPECT_TRUE(json["refusal"].is_null());
  EXPECT_EQ(mesh_json(view, "two rosters")["alarm"], "two rosters");
}

TEST(MeshJson, SaysWhyAWishWasRefused) {
  mesh::View view;
  view.refusal = {"vast", "the mesh serves tiny\x1b"};
  const auto json = mesh_json(view)["refusal"];
  EXPECT_EQ(json["model_name"], "vast");
  EXPECT_EQ(json["reason"], "the mesh serves tiny?");
}

TEST(MeshJson, SaysWhichAdaptersThisNodeApplies) {
  EXPECT_EQ(mesh_json({})["lora"], nlohmann::ordered_json::array());
  const std::vector<AdapterState> two = {{"a.gguf", 0.5f, true}, {"b.gguf", 1, false, "why"}};
  const auto lora = mesh_json({}, "", two)["lora"];
  ASSERT_EQ(lora.size(), 2u);
  EXPECT_EQ(lora[0]["file"], "a.gguf");
  EXPECT_EQ(lora[0]["scale"], 0.5);
  EXPECT_EQ(lora[0]["applied"], true);
  EXPECT_TRUE(lora[0]["reason"].is_null());
  EXPECT_EQ(lora[1]["applied"], false);
  EXPECT_EQ(lora[1]["reason"], "why");
}

TEST(MeshJson, WarnsOfStagesWithOtherAdapters) {
  mesh::View view = test::fake_mesh();
  EXPECT_TRUE(mesh_json(view)["warning"].is_null());
  view.nodes[0].profile.adapters.bytes.fill(1);
  EXPECT_EQ(mesh_json(view)["warning"], differing_adapters(view));
}

TEST(MeshJson, WritesAHostileNameAsText) {
  mesh::View view = test::fake_mesh();
  view.nodes[0].name = "a\x1b[31m\xff\n";
  const std::string text = mesh_json(view).dump();  // throws if it is not UTF-8
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find("\\u001b"), std::string::npos);
}

}  // namespace
}  // namespace weft::node
