// Changes of plan in a mesh that runs: when nothing was lost, nobody may notice; when something
// was, those who come meanwhile wait.
#include <gtest/gtest.h>

#include "mesh/limits.h"
#include "tests/mesh/harness.h"

namespace weft::mesh::test {
namespace {

class PlanChangeTest : public ::testing::Test {
 protected:
  // The plan is over `stages_`, whatever is measured; one over other nodes is worth half.
  PlanChangeTest() {
    mesh_.config.plan = [this](const partition::PlanRequest& request) { return plan(request); };
    mesh_.config.evaluate = [](const partition::PlanRequest&,
                               const std::vector<partition::Stage>& stages) {
      partition::Plan plan;
      plan.stages = stages;
      plan.decode_tps = plan.throughput_tps = 50;
      return Result<partition::Plan>(plan);
    };
  }
  Result<partition::Plan> plan(const partition::PlanRequest& request) const {
    partition::Plan plan;
    uint32_t next = 0;
    for (size_t i = 0; i < stages_.size(); ++i) {
      const bool known = std::any_of(
          request.nodes.begin(), request.nodes.end(),
          [&](const partition::NodeProfile& node) { return node.node == node_id(stages_[i]); });
      if (!known) continue;
      const uint32_t last = uint32_t(kLayers * (i + 1) / stages_.size());
      plan.stages.push_back({node_id(stages_[i]), next, last});
      next = last;
    }
    if (next != kLayers) return Error(ErrorCode::kUnavailable, "a node is missing");
    plan.decode_tps = plan.throughput_tps = 100;
    return plan;
  }
  void serve(std::vector<uint8_t> stages) {
    stages_ = std::move(stages);
    for (const uint8_t number : {1, 2, 3}) mesh_.start(number, profile(number));
    ASSERT_TRUE(mesh_.run_until([&] { return mesh_.all_active(); }));
    mesh_.run_for(seconds(3));
    before_ = mesh_.view(1).plan.epoch;
  }
  transport::Profile profile(uint8_t number) const { return make_profile(room_, number == 1); }
  // Measurements arrive that make a plan over these nodes better; returns once they load.
  void better(std::vector<uint8_t> stages) {
    stages_ = std::move(stages);
    const int loads = mesh_.at(stages_[0]).loads;
    mesh_.with(1, [&](Machine& machine) { machine.set_profile(profile(1), mesh_.now); });
    ASSERT_TRUE(mesh_.run_until([&] { return mesh_.at(stages_[0]).loads > loads; }, seconds(70)));
    EXPECT_FALSE(changed());
  }
  bool ended(uint8_t head, SessionId id) { return mesh_.stream(head, id).result.has_value(); }
  bool changed(uint8_t number = 1) {
    const PlanView plan = mesh_.view(number).plan;
    return plan.active && plan.epoch > before_;
  }
  // A stream at each node in turn every `gap`, as clients would; what went wrong.
  std::vector<std::string> ask_for(Duration time, Duration gap, uint32_t tokens = 3) {
    std::vector<std::pair<uint8_t, SessionId>> open;
    std::vector<std::string> failures;
    const Time end = mesh_.now + time;
    for (uint32_t i = 0; mesh_.now < end; ++i) {
      const uint8_t head = uint8_t(1 + i % 3);
      const Result<SessionId> id = mesh_.open(head, make_request(1 + i % 200, tokens, i));
      if (id.ok()) {
        open.emplace_back(head, *id);
      } else {
        failures.push_back(id.error().message);
      }
      for (const uint8_t number : {1, 2, 3}) unready_ += !mesh_.view(number).plan.active;
      mesh_.run_for(gap);
    }
    EXPECT_TRUE(mesh_.all_active() && changed());
    mesh_.run_for(seconds(15));
    for (const auto& [head, id] : open) {
      const Stream& stream = mesh_.stream(head, id);
      if (!stream.result) failures.push_back("a stream that never ended");
      if (stream.result && !stream.result->ok()) {
        failures.push_back(stream.result->error().message);
      }
    }
    asked_ = open.size();
    for (const std::string& defect : mesh_.defects()) failures.push_back(defect);
    return failures;
  }

  Mesh mesh_;
  std::vector<uint8_t> stages_;
  uint32_t room_ = 2 * kLayers;
  Epoch before_;
  size_t asked_ = 0;
  int unready_ = 0;
};

TEST_F(PlanChangeTest, WhileABetterPlanLoadsTheOldOneServesAndNoRequestFails) {
  mesh_.load_time = seconds(4);
  serve({1, 2, 3});
  better({3, 1});
  const auto failures = ask_for(mesh_.load_time + seconds(1), milliseconds(50));
  EXPECT_EQ(asked_, 100u);
  EXPECT_EQ(failures, std::vector<std::string>{});
  EXPECT_EQ(unready_, 0) << "ready was said, and it was to hold";
  for (const uint8_t number : {1, 2, 3}) {
    EXPECT_EQ(mesh_.at(number).compute.slice_count(), number == 2 ? 0u : 1u)
        << "the old layers are freed once nobody uses them";
  }
}

TEST_F(PlanChangeTest, StreamsThatRunAtTheChangeEndOnTheOldPlan) {
  mesh_.load_time = seconds(4);
  serve({1, 2});
  better({2, 3, 1});
  // They begin while the new plan loads, and outlive its activation.
  mesh_.run_for(seconds(3));
  std::vector<std::pair<uint8_t, SessionId>> open;
  for (const uint8_t head : {1, 2, 3}) {
    open.emplace_back(head, *mesh_.open(head, make_request(300, 900)));
  }
  mesh_.run_for(milliseconds(100));
  EXPECT_FALSE(changed());
  ASSERT_TRUE(mesh_.run_until([&] { return mesh_.all_active() && changed(); }, seconds(5)));
  for (const auto& [head, id] : open) {
    EXPECT_FALSE(mesh_.stream(head, id).result.has_value());
    EXPECT_GT(mesh_.stream(head, id).answer.size(), 0u);
  }
  // New ones run beside them, on the new plan.
  const GenerateRequest request = make_request(20, 5);
  EXPECT_EQ(mesh_.ask(2, request).answer, expected_answer(request));
  for (const auto& [head, id] : open) {
    ASSERT_TRUE(mesh_.run_until([&, h = head, i = id] { return ended(h, i); }));
    EXPECT_TRUE(mesh_.stream(head, id).result->ok());
  }
  mesh_.run_for(kRetireQuiet + seconds(1));
  for (const uint8_t number : {1, 2, 3}) {
    EXPECT_EQ(mesh_.at(number).compute.slice_count(), 1u);
    EXPECT_EQ(mesh_.view(number).stage_sessions, 0u);
  }
  EXPECT_TRUE(mesh_.defects().empty());
}

// Word of the change reaches the nodes at different times: streams open on either plan meanwhile.
TEST_F(PlanChangeTest, StreamsThatOpenInTheMomentOfTheChangeSucceedWhoeverHearsOfItFirst) {
  for (const uint8_t late : {1, 2, 3}) {
    mesh_ = Mesh(late);
    mesh_.config.plan = [this](const partition::PlanRequest& request) { return plan(request); };
    mesh_.config.evaluate = fake_evaluate;
    mesh_.faults.delay = milliseconds(20);
    mesh_.faults.jitter = milliseconds(30);
    mesh_.load_time = seconds(2);
    serve({1, 2});
    mesh_.drop = [&](const Send& send, NodeId) {
      return send.to == node_id(late) && std::holds_alternative<transport::Activate>(send.message);
    };
    better({3});
    const auto failures = ask_for(mesh_.load_time + seconds(2), milliseconds(20), 10);
    EXPECT_EQ(failures, std::vector<std::string>{}) << "node " << int(late) << " hears of it late";
  }
}

TEST_F(PlanChangeTest, AStreamWhoseStageDiesAfterTheChangeGoesOnOnTheNewPlan) {
  mesh_.load_time = seconds(2);
  serve({2, 3});
  better({1});
  mesh_.run_for(milliseconds(1900));
  const SessionId old = *mesh_.open(1, make_request(10, 1900));
  mesh_.run_for(milliseconds(500));
  ASSERT_TRUE(changed());
  const SessionId fresh = *mesh_.open(1, make_request(10, 1900));
  mesh_.run_for(milliseconds(200));
  mesh_.kill(3);
  ASSERT_TRUE(mesh_.run_until([&] { return ended(1, old) && ended(1, fresh); }));
  EXPECT_TRUE(mesh_.view(1).plan.active);
  for (const SessionId id : {old, fresh}) EXPECT_TRUE(mesh_.stream(1, id).result->ok());
  EXPECT_TRUE(mesh_.defects().empty());
}

TEST_F(PlanChangeTest, WithoutRoomForBothRequestsWaitForTheNewPlan) {
  room_ = 8;  // of 12 layers
  mesh_.load_time = seconds(4);
  serve({1, 2});
  better({2, 1});
  mesh_.run_for(milliseconds(10));
  EXPECT_FALSE(mesh_.view(3).plan.active);
  const auto failures = ask_for(mesh_.load_time + seconds(1), milliseconds(200));
  EXPECT_GT(unready_, 10);
  EXPECT_EQ(failures, std::vector<std::string>{});
  for (const uint8_t number : {1, 2}) EXPECT_EQ(mesh_.at(number).compute.slice_count(), 1u);
}

TEST_F(PlanChangeTest, AfterALossRequestsWaitForTheNextPlanInsteadOfFailing) {
  mesh_.load_time = seconds(4);
  serve({1, 2});
  stages_ = {1, 3};
  mesh_.kill(2);
  ASSERT_TRUE(mesh_.run_until([&] { return !mesh_.view(3).plan.active; }, seconds(4)));
  const SessionId id = *mesh_.open(3, make_request(50, 10));
  ASSERT_TRUE(mesh_.run_until([&] { return ended(3, id); }, seconds(10)));
  EXPECT_TRUE(mesh_.stream(3, id).result->ok());
  EXPECT_GT(to_seconds(mesh_.stream(3, id).ended - mesh_.stream(3, id).opened), 2.0);
  EXPECT_TRUE(mesh_.defects().empty());
}

TEST_F(PlanChangeTest, AfterALossThatLeavesTooLittleTheWaitingAreToldWhatIsMissing) {
  serve({1, 2});
  mesh_.kill(2, false);
  const Time killed = mesh_.now;
  const SessionId before = *mesh_.open(1, make_request(50, 10));  // nobody knows yet
  ASSERT_TRUE(mesh_.run_until([&] { return ended(1, before); }, seconds(6)));
  EXPECT_LE(to_seconds(mesh_.now - killed), 5.0);
  EXPECT_EQ(mesh_.stream(1, before).result->error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(mesh_.stream(1, before).result->error().message, "a node is missing");
  mesh_.run_for(kBeatEvery + milliseconds(100));
  EXPECT_FALSE(mesh_.open(3, make_request(1, 1)).ok()) << "and all know it now";
}

TEST_F(PlanChangeTest, AWaitHasAnEndAndAnAnswer) {
  mesh_.load_time = seconds(60);
  for (const uint8_t number : {1, 2, 3}) mesh_.start(number, profile(number));
  stages_ = {1};
  ASSERT_TRUE(mesh_.run_until([&] { return mesh_.view(2).has_plan; }));
  const Stream stream = mesh_.ask(2, make_request(5, 5));
  ASSERT_FALSE(stream.result->ok());
  EXPECT_EQ(stream.result->error().code, ErrorCode::kUnavailable);
  EXPECT_NE(stream.result->error().message.find("loading tiny"), std::string::npos);
  EXPECT_NEAR(to_seconds(stream.ended - stream.opened), to_seconds(kPlanWait), 0.1);
}

}  // namespace
}  // namespace weft::mesh::test
