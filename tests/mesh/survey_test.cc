#include "mesh/survey.h"

#include <gtest/gtest.h>

#include "tests/mesh/harness.h"

namespace weft::mesh::test {
namespace {

class SurveyTest : public ::testing::Test {
 protected:
  SurveyTest() {
    members_.set_roster({{node_id(2), "two"}, {node_id(3), "three"}}, now_);
    members_.self_member().profile = make_profile(4, true);
    transport::Profile profile = make_profile(5, true);
    profile.incarnation = 1;
    profile.speeds = {{12, 1e9, 2e9}};
    profile.offers.push_back(make_offer(2, "another"));
    members_.on_profile(node_id(2), profile, now_);
    members_.on_hello(node_id(3), 1, now_);  // no profile yet
  }
  Time now_{1};
  Membership members_{node_id(1), "one", 7, now_};
};

TEST_F(SurveyTest, OffersAreByNameWithAllTheirHolders) {
  const auto list = offers(members_);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].name, "another");
  EXPECT_EQ(list[0].holders, std::vector<NodeId>{node_id(2)});
  EXPECT_EQ(list[1].holders, (std::vector<NodeId>{node_id(1), node_id(2)}));
  EXPECT_EQ(list[1].layer_count, kLayers);
  EXPECT_EQ(holders(members_, model_id(1)).size(), 2u);
  EXPECT_TRUE(holders(members_, model_id(9)).empty());
  EXPECT_EQ(find_offer(members_, model_id(9)), nullptr);
}

TEST_F(SurveyTest, TheDeadOfferNothing) {
  members_.on_link_down(node_id(2), now_);
  members_.tick(now_ + milliseconds(900));
  members_.tick(now_ + milliseconds(1800));
  EXPECT_EQ(offers(members_).size(), 1u);
}

TEST_F(SurveyTest, ThePlannerIsAskedAboutMembersThatHaveMeasuredThemselves) {
  transport::Beat beat;
  beat.incarnation = 1;
  beat.number = 1;
  beat.links = {{node_id(1), 0.003, 5e6}, {node_id(3), 0.5, 1}};
  beat.open_sessions = 4;
  members_.on_beat(node_id(2), beat, now_);
  MachineConfig config;
  config.kv_tokens = 512;
  config.objective = partition::Objective::kThroughput;
  const auto request = plan_request(members_, *find_offer(members_, model_id(1)), config, 2, {});
  ASSERT_EQ(request.nodes.size(), 2u);
  EXPECT_EQ(request.nodes[1].name, "two");
  EXPECT_EQ(request.nodes[1].memory_bytes, 5 * kLayerBytes + kSpareBytes);
  ASSERT_EQ(request.nodes[1].speeds.size(), 1u);
  EXPECT_EQ(request.nodes[1].speeds[0].decode_bytes_per_s, 1e9);
  EXPECT_EQ(request.model.layers.size(), kLayers);
  EXPECT_EQ(request.model.kv_tokens, 512u);
  EXPECT_EQ(request.min_nodes, 2u);
  EXPECT_EQ(request.objective, partition::Objective::kThroughput);
  ASSERT_EQ(request.links.size(), 1u) << "node 3 is not a candidate";
  EXPECT_EQ(request.links[0].round_trip_s, 0.003);
  EXPECT_EQ(open_sessions(members_), 4u);

  transport::ModelOffer offer = *find_offer(members_, model_id(1));
  offer.kv_bytes_per_token_layer = 2 * 2 * 64;  // keys and values of one head of 64, f16
  const auto kv_bytes = [&](KvType type) {
    config.kv_type = type;
    return plan_request(members_, offer, config, 2, {}).model.kv_bytes_per_token_layer;
  };
  EXPECT_EQ(kv_bytes(KvType::kF16), 256u);
  EXPECT_EQ(kv_bytes(KvType::kF32), 512u);
  EXPECT_EQ(kv_bytes(KvType::kQ8_0), 2 * (64 + 2 * 2));

  const auto without =
      plan_request(members_, *find_offer(members_, model_id(1)), config, 1, {node_id(1)});
  ASSERT_EQ(without.nodes.size(), 1u);
  EXPECT_EQ(without.nodes[0].node, node_id(2));
}

}  // namespace
}  // namespace weft::mesh::test
