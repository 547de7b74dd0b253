#include "mesh/checks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "mesh/limits.h"
#include "tests/mesh/harness.h"

namespace weft::mesh::test {
namespace {

transport::Propose good_plan() {
  transport::Propose plan;
  plan.epoch = Epoch{1 << 16};
  plan.layer_count = 4;
  plan.hidden_dim = kHiddenDim;
  plan.vocab_size = 100;
  plan.context_length = 256;
  plan.kv_tokens = 512;
  plan.stages = {{node_id(1), 0, 2}, {node_id(2), 2, 4}};
  return plan;
}

transport::Step good_step(bool first) {
  transport::Step step;
  step.epoch = Epoch{1 << 16};
  step.session = SessionId{9};
  step.head = node_id(3);
  step.token_count = 2;
  step.reserve_tokens = 10;
  if (first) {
    step.tokens = {1, 2};
  } else {
    step.hidden = SharedBytes::adopt(std::vector<float>(2 * kHiddenDim, 0.5f));
  }
  return step;
}

TEST(Checks, AGoodPlanPassesAndEachDefectIsFound) {
  ASSERT_TRUE(check_propose(good_plan()).ok());
  const std::vector<std::function<void(transport::Propose&)>> defects = {
      [](auto& p) { p.epoch = {}; },
      [](auto& p) { p.stages.clear(); },
      [](auto& p) { p.stages.resize(transport::kStagesMax + 1); },
      [](auto& p) { p.stages[1].first_layer = 3; },
      [](auto& p) { p.stages[1].first_layer = 1; },
      [](auto& p) { p.stages[1].last_layer = 5; },
      [](auto& p) { p.stages[1].last_layer = 3; },
      [](auto& p) { p.stages[1].last_layer = 2; },
      [](auto& p) { p.stages[1].node = p.stages[0].node; },
      [](auto& p) { p.stages[0].node = {}; },
      [](auto& p) { p.layer_count = 0; },
      [](auto& p) { p.layer_count = transport::kLayersMax + 1; },
      [](auto& p) { p.hidden_dim = 0; },
      [](auto& p) { p.hidden_dim = UINT32_MAX; },
      [](auto& p) { p.vocab_size = 0; },
      [](auto& p) { p.context_length = UINT32_MAX; },
      [](auto& p) { p.kv_tokens = 0; },
  };
  for (size_t i = 0; i < defects.size(); ++i) {
    transport::Propose plan = good_plan();
    defects[i](plan);
    EXPECT_FALSE(check_propose(plan).ok()) << "defect " << i;
  }
}

TEST(Checks, AGoodStepPassesAndEachDefectIsFound) {
  const transport::Propose plan = good_plan();
  ASSERT_TRUE(check_step(good_step(true), plan, 0, node_id(3)).ok());
  ASSERT_TRUE(check_step(good_step(false), plan, 1, node_id(1)).ok());
  EXPECT_FALSE(check_step(good_step(true), plan, 0, node_id(2)).ok()) << "not the head";
  EXPECT_FALSE(check_step(good_step(false), plan, 1, node_id(3)).ok()) << "not the stage before";
  EXPECT_FALSE(check_step(good_step(false), plan, 0, node_id(3)).ok()) << "not tokens";
  EXPECT_FALSE(check_step(good_step(true), plan, 1, node_id(1)).ok()) << "not activations";

  const std::vector<std::function<void(transport::Step&)>> defects = {
      [](auto& s) { s.session = {}; },
      [](auto& s) { s.token_count = 0; },
      [](auto& s) { s.token_count = 3; },
      [](auto& s) {
        s.token_count = kPrefillChunk + 1;
        s.tokens.assign(s.token_count, 1);
      },
      [](auto& s) { s.first_position = 255; },
      [](auto& s) { s.first_position = UINT32_MAX; },
      [](auto& s) { s.reserve_tokens = 257; },
      [](auto& s) { s.tokens[0] = -1; },
      [](auto& s) { s.tokens[1] = 100; },
      [](auto& s) { s.history.assign(transport::kHistoryMax + 1, 1); },
      [](auto& s) { s.history = {100}; },
      [](auto& s) { s.sampling.temperature = std::nanf(""); },
      [](auto& s) { s.sampling.temperature = -1; },
      [](auto& s) { s.sampling.top_p = 0; },
      [](auto& s) { s.sampling.repetition_penalty = 0; },
      [](auto& s) { s.hidden = SharedBytes::adopt(Bytes(4)); },
  };
  for (size_t i = 0; i < defects.size(); ++i) {
    transport::Step step = good_step(true);
    defects[i](step);
    EXPECT_FALSE(check_step(step, plan, 0, node_id(3)).ok()) << "defect " << i;
  }
}

TEST(Checks, ActivationsThatAreShortOrMisalignedOrNotFiniteAreFound) {
  const transport::Propose plan = good_plan();
  transport::Step step = good_step(false);
  step.hidden = SharedBytes::adopt(std::vector<float>(2 * kHiddenDim - 1, 0.5f));
  EXPECT_FALSE(check_step(step, plan, 1, node_id(1)).ok());

  const auto owner = std::make_shared<Bytes>(2 * kHiddenDim * sizeof(float) + 4);
  step.hidden = SharedBytes(owner, ByteView(*owner).subspan(1, 2 * kHiddenDim * sizeof(float)));
  EXPECT_FALSE(check_step(step, plan, 1, node_id(1)).ok());

  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    std::vector<float> values(2 * kHiddenDim, 0.5f);
    values.back() = bad;
    step.hidden = SharedBytes::adopt(values);
    EXPECT_FALSE(check_step(step, plan, 1, node_id(1)).ok());
  }
}

TEST(Checks, ProfilesThatWouldSpoilThePlannersSumsAreFound) {
  ASSERT_TRUE(check_profile(make_profile(12, true)).ok());
  const std::vector<std::function<void(transport::Profile&)>> defects = {
      [](auto& p) { p.memory_bytes = UINT64_MAX; },
      [](auto& p) { p.fast_memory_bytes = p.memory_bytes + 1; },
      [](auto& p) { p.slow_speeds = {{1, -1, 1}}; },
      [](auto& p) { p.layer_overhead_s = std::nan(""); },
      [](auto& p) { p.layer_overhead_s = -1; },
      [](auto& p) {
        p.speeds = {{0, std::numeric_limits<double>::infinity(), 1}};
      },
      [](auto& p) { p.speeds.resize(65); },
      [](auto& p) { p.offers.resize(transport::kOffersMax + 1, p.offers[0]); },
      [](auto& p) { p.offers[0].layers.clear(); },
      [](auto& p) { p.offers[0].layers[3].bytes = UINT64_MAX; },
      [](auto& p) { p.offers[0].head.parameters = UINT64_MAX; },
      [](auto& p) { p.offers[0].hidden_dim = 1u << 20; },
      [](auto& p) { p.offers[0].vocab_size = 0; },
      [](auto& p) { p.offers[0].kv_bytes_per_token_layer = UINT64_MAX; },
  };
  for (size_t i = 0; i < defects.size(); ++i) {
    transport::Profile profile = make_profile(12, true);
    defects[i](profile);
    EXPECT_FALSE(check_profile(profile).ok()) << "defect " << i;
  }
}

TEST(Checks, BeatsWithImplausibleNumbersAreFound) {
  transport::Beat beat;
  beat.links = {{node_id(2), 0.001, 1e6}};
  ASSERT_TRUE(check_beat(beat).ok());
  beat.links[0].round_trip_s = std::nan("");
  EXPECT_FALSE(check_beat(beat).ok());
  beat.links[0].round_trip_s = 0;
  beat.decode_tokens_per_s = -5;
  EXPECT_FALSE(check_beat(beat).ok());
  beat.decode_tokens_per_s = 0;
  beat.links.resize(10000);
  EXPECT_FALSE(check_beat(beat).ok());
}

}  // namespace
}  // namespace weft::mesh::test
