// The whole mesh in memory: plans, streams and deaths, with real machines on virtual time.
#include "mesh/machine.h"

#include <gtest/gtest.h>

#include "mesh/limits.h"
#include "tests/mesh/harness.h"
#include "tests/support/support.h"

namespace weft::mesh::test {
namespace {

// Three nodes of which each holds half of the layers at most.
void start_three(Mesh& mesh) {
  mesh.config.min_nodes = 3;
  for (const uint8_t number : {1, 2, 3}) mesh.start(number, make_profile(6, number == 1));
}

bool finished(const Stream& stream) {
  return stream.result && stream.result->ok();
}
ErrorCode code(const Stream& stream) {
  return stream.result->error().code;
}

TEST(Machine, ANodeAloneServesAWholeModel) {
  Mesh mesh;
  mesh.start(1, make_profile(kLayers, true));
  ASSERT_TRUE(mesh.run_until_active(1));
  const GenerateRequest request = make_request(300, 20);
  const Stream stream = mesh.ask(1, request);
  ASSERT_TRUE(finished(stream));
  EXPECT_EQ(stream.answer, expected_answer(request));
  EXPECT_EQ(**stream.result, FinishReason::kLength);
  EXPECT_EQ(stream.usage.prompt_tokens, 300u);
  EXPECT_EQ(stream.usage.completion_tokens, 20u);
}

TEST(Machine, ThreeNodesPlanAndAnswerAsOneNodeDoes) {
  Mesh mesh;
  start_three(mesh);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  EXPECT_EQ(mesh.view(3).plan.stages.size(), 3u);
  for (const uint8_t head : {1, 2, 3}) {
    for (const uint32_t prompt : {1u, 2u, 127u, 128u, 129u, 1000u}) {
      const GenerateRequest request = make_request(prompt, 12, prompt + head);
      const Stream stream = mesh.ask(head, request);
      ASSERT_TRUE(finished(stream)) << prompt;
      EXPECT_EQ(stream.answer, expected_answer(request)) << "prompt of " << prompt;
    }
  }
  EXPECT_TRUE(mesh.defects().empty());
}

TEST(Machine, AnEndTokenStopsTheAnswerAndIsNotGivenOut) {
  Mesh mesh;
  mesh.start(1, make_profile(kLayers, true));
  ASSERT_TRUE(mesh.run_until_active(1));
  GenerateRequest request = make_request(5, 30);
  const std::vector<TokenId> full = expected_answer(request);
  request.end_tokens = {full[7]};
  const Stream stream = mesh.ask(1, request);
  ASSERT_TRUE(finished(stream));
  EXPECT_EQ(**stream.result, FinishReason::kStop);
  EXPECT_EQ(stream.answer, expected_answer(request));
  EXPECT_LE(stream.answer.size(), 7u);
}

TEST(Machine, ManyStreamsFromEveryNodeAllGetTheirOwnAnswer) {
  Mesh mesh;
  start_three(mesh);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  std::vector<std::pair<uint8_t, SessionId>> open;
  for (uint32_t i = 0; i < 60; ++i) {
    const uint8_t head = uint8_t(1 + i % 3);
    Result<SessionId> id = mesh.open(head, make_request(1 + 23 * i % 400, 10 + i % 17, i));
    ASSERT_TRUE(id.ok()) << id.error().message;
    open.emplace_back(head, *id);
  }
  EXPECT_TRUE(mesh.run_until([&] {
    return std::all_of(open.begin(), open.end(), [&](const auto& entry) {
      return mesh.stream(entry.first, entry.second).result.has_value();
    });
  }));
  for (const auto& [head, id] : open) EXPECT_TRUE(finished(mesh.stream(head, id)));
  EXPECT_TRUE(mesh.defects().empty());
}

// Within 10 s and what is computed anew: the survivors load its layers first.
TEST(Machine, AStreamOutlivesAKilledStageAndItsTextIsAsIfNothingHadHappened) {
  for (const bool noticed : {true, false}) {
    Mesh mesh;
    start_three(mesh);
    ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
    const GenerateRequest request = make_request(10, 1500);
    const Result<SessionId> id = mesh.open(1, request);
    ASSERT_TRUE(id.ok());
    mesh.run_for(milliseconds(500));
    const size_t before = mesh.stream(1, *id).answer.size();
    ASSERT_GT(before, 10u);
    mesh.kill(3, noticed);
    ASSERT_TRUE(mesh.run_until([&] { return mesh.stream(1, *id).answer.size() > before + 10; },
                               seconds(10)));
    ASSERT_TRUE(mesh.run_until([&] { return finished(mesh.stream(1, *id)); }));
    EXPECT_EQ(mesh.stream(1, *id).answer, expected_answer(request));
    EXPECT_TRUE(mesh.defects().empty());
  }
}

TEST(Machine, AKilledStageEndsItsStreamsWithinFiveSecondsIfTheRestIsTooSmall) {
  for (const bool noticed : {true, false}) {
    Mesh mesh;
    for (const uint8_t number : {1, 2}) mesh.start(number, make_profile(7, true));
    ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
    const Result<SessionId> id = mesh.open(1, make_request(10, 1500));
    ASSERT_TRUE(id.ok());
    mesh.run_for(milliseconds(500));
    ASSERT_FALSE(mesh.stream(1, *id).answer.empty());
    const Time killed = mesh.now;
    mesh.kill(2, noticed);
    ASSERT_TRUE(mesh.run_until([&] { return mesh.stream(1, *id).result.has_value(); }, seconds(6)));
    EXPECT_LE(to_seconds(mesh.stream(1, *id).ended - killed), 5.0);
    EXPECT_EQ(code(mesh.stream(1, *id)), ErrorCode::kUnavailable);
    EXPECT_TRUE(mesh.defects().empty());
  }
}

TEST(Machine, TheNextRequestIsAnsweredByTheTwoThatAreLeft) {
  Mesh mesh;
  start_three(mesh);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  mesh.kill(2);
  ASSERT_TRUE(mesh.run_until([&] { return !mesh.view(1).plan.active; }, seconds(3)));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }, seconds(5)));
  EXPECT_EQ(mesh.view(1).plan.stages.size(), 2u);
  const GenerateRequest request = make_request(200, 25);
  const Stream stream = mesh.ask(3, request);
  ASSERT_TRUE(finished(stream));
  EXPECT_EQ(stream.answer, expected_answer(request));
}

TEST(Machine, CoordinatorDeathElectsTheNextWhichPlansAnew) {
  Mesh mesh;
  mesh.config.min_nodes = 2;
  for (const uint8_t number : {1, 2, 3}) mesh.start(number, make_profile(6, number == 3));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  EXPECT_EQ(mesh.view(3).coordinator, node_id(1));
  mesh.kill(1, false);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.view(3).coordinator == node_id(2); }, seconds(4)));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }, seconds(5)));
  EXPECT_TRUE(finished(mesh.ask(2, make_request(20, 5))));
}

TEST(Machine, TwoCoordinatorsAfterAPartitionAreFencedByEpoch) {
  Mesh mesh;
  for (const uint8_t number : {1, 2, 3, 4}) mesh.start(number, make_profile(kLayers, true));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  mesh.cut({1, 2});
  // The side without the plan's only stage makes a plan of its own.
  ASSERT_TRUE(mesh.run_until(
      [&] {
        return mesh.view(3).coordinator == node_id(3) && mesh.view(3).plan.active &&
               mesh.view(3).plan.epoch != mesh.view(1).plan.epoch;
      },
      seconds(10)));
  EXPECT_TRUE(finished(mesh.ask(1, make_request(5, 5))));
  EXPECT_TRUE(finished(mesh.ask(4, make_request(5, 5))));
  mesh.heal();
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }, seconds(10)));
  EXPECT_EQ(mesh.view(4).coordinator, node_id(1));
  for (const uint8_t head : {1, 2, 3, 4}) EXPECT_TRUE(finished(mesh.ask(head, make_request(9, 9))));
  EXPECT_TRUE(mesh.defects().empty());
}

TEST(Machine, ALateProposalOfAnOlderPlanIsAnsweredStale) {
  Mesh mesh;
  mesh.start(2, make_profile(kLayers, true));
  mesh.start(3, make_profile(kLayers, false));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  transport::Propose old;
  old.epoch = Epoch{1};
  old.layer_count = 1;
  old.hidden_dim = old.vocab_size = old.context_length = old.kv_tokens = 4;
  old.stages = {{node_id(3), 0, 1}};
  Machine& machine = mesh.machine(2);
  machine.on_message(node_id(3), old, mesh.now);
  bool stale = false;
  for (const Effect& effect : machine.take_effects(mesh.now)) {
    const auto* send = std::get_if<Send>(&effect);
    stale = stale || (send && send->to == node_id(3) &&
                      std::holds_alternative<transport::Stale>(send->message));
  }
  EXPECT_TRUE(stale);
  EXPECT_TRUE(mesh.view(2).plan.active);
}

TEST(Machine, RestartedNodesAreNoGhosts) {
  Mesh mesh;
  start_three(mesh);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  mesh.kill(2);
  mesh.kill(3);
  mesh.run_for(milliseconds(300));
  mesh.start(2, make_profile(6, false));
  mesh.start(3, make_profile(6, false));
  ASSERT_TRUE(mesh.run_until(
      [&] { return mesh.all_active() && mesh.view(1).plan.stages.size() >= 2; }, seconds(20)));
  for (const uint8_t number : {1, 2, 3}) EXPECT_EQ(mesh.view(number).nodes.size(), 3u);
  EXPECT_TRUE(finished(mesh.ask(2, make_request(40, 8))));

  mesh.kill(3);
  mesh.run_for(seconds(5));
  EXPECT_EQ(mesh.view(1).nodes.size(), 3u);  // shown as dead
  mesh.run_for(seconds(60));
  EXPECT_EQ(mesh.view(1).nodes.size(), 2u);  // and then forgotten
}

TEST(Machine, ANewMemberLearnsThePlanAndIsAHeadAtOnce) {
  Mesh mesh;
  mesh.start(2, make_profile(kLayers, true));
  ASSERT_TRUE(mesh.run_until_active(2));
  const Result<SessionId> running = mesh.open(2, make_request(5, 1000));
  ASSERT_TRUE(running.ok());
  mesh.start(1, make_profile(1, false));  // the lowest id: it becomes the coordinator
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }, seconds(4)));
  EXPECT_EQ(mesh.view(2).coordinator, node_id(1));
  EXPECT_FALSE(mesh.stream(2, *running).result.has_value()) << "joining ends no stream";
  EXPECT_TRUE(finished(mesh.ask(1, make_request(30, 10))));
  EXPECT_TRUE(mesh.run_until([&] { return finished(mesh.stream(2, *running)); }));
}

TEST(Machine, ANodeThatWasStoppedForAWhileServesAgainSoon) {
  Mesh mesh;
  mesh.config.min_nodes = 2;
  for (const uint8_t number : {1, 2, 3}) mesh.start(number, make_profile(6, number != 3));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  // Streams through the stage that stops, headed by it and by others.
  const Result<SessionId> own = mesh.open(2, make_request(10, 1500));
  const Result<SessionId> other = mesh.open(3, make_request(10, 1500));
  ASSERT_TRUE(own.ok() && other.ok());
  mesh.run_for(milliseconds(300));
  const size_t before = mesh.stream(3, *other).answer.size();
  mesh.pause(2);
  mesh.run_for(seconds(10));
  EXPECT_TRUE(mesh.view(1).plan.active) << "the others serve without it";
  EXPECT_GT(mesh.stream(3, *other).answer.size(), before) << "and the stream goes on";

  mesh.resume(2);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }, seconds(5)));
  EXPECT_TRUE(finished(mesh.ask(2, make_request(10, 10))));
  for (const auto& [head, id] : {std::pair(2, *own), std::pair(3, *other)}) {
    EXPECT_TRUE(mesh.run_until([&] { return finished(mesh.stream(uint8_t(head), id)); }));
  }
  EXPECT_TRUE(mesh.defects().empty());
}

TEST(Machine, AGoodbyeIsNoticedAtOnce) {
  Mesh mesh;
  start_three(mesh);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  mesh.with(3, [&](Machine& machine) { machine.leave(mesh.now); });
  mesh.run_for(milliseconds(10));
  EXPECT_FALSE(mesh.view(1).plan.active);
  for (const NodeView& node : mesh.view(1).nodes) {
    EXPECT_EQ(node.state == MemberState::kDead, node.node == node_id(3));
  }
}

TEST(Machine, AClosedSessionFreesEveryStageWithinASecond) {
  Mesh mesh;
  start_three(mesh);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  const Result<SessionId> id = mesh.open(2, make_request(700, 1000));
  ASSERT_TRUE(id.ok());
  mesh.run_for(milliseconds(200));
  for (const uint8_t number : {1, 2, 3}) EXPECT_EQ(mesh.at(number).compute.session_count(), 1u);
  mesh.with(2, [&](Machine& machine) { machine.cancel(*id, mesh.now); });
  mesh.run_for(seconds(1));
  EXPECT_EQ(code(mesh.stream(2, *id)), ErrorCode::kCancelled);
  for (const uint8_t number : {1, 2, 3}) {
    EXPECT_EQ(mesh.at(number).compute.session_count(), 0u);
    EXPECT_EQ(mesh.view(number).stage_sessions, 0u);
    EXPECT_EQ(mesh.view(number).queued_rows, 0u);
  }
}

TEST(Machine, ADeadHeadsSessionsAreFreedByEveryStage) {
  Mesh mesh;
  mesh.config.min_nodes = 2;
  for (const uint8_t number : {1, 2}) mesh.start(number, make_profile(6, true));
  mesh.start(3, make_profile(0, false));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  ASSERT_TRUE(mesh.open(3, make_request(50, 1900)).ok());
  mesh.run_for(milliseconds(200));
  EXPECT_EQ(mesh.view(1).stage_sessions, 1u);
  mesh.kill(3);
  mesh.run_for(seconds(2));
  EXPECT_EQ(mesh.view(1).stage_sessions, 0u);
  EXPECT_EQ(mesh.view(2).stage_sessions, 0u);
  EXPECT_TRUE(mesh.view(1).plan.active) << "a node without layers is not missed by the plan";
}

TEST(Machine, WithoutAPlanAClientIsToldWhatIsMissing) {
  Mesh mesh;
  mesh.start(1, make_profile(kLayers, false));
  mesh.start(2, make_profile(kLayers, false));
  mesh.run_for(seconds(4));
  for (const uint8_t number : {1, 2}) {
    const Result<SessionId> id = mesh.open(number, make_request(1, 1));
    ASSERT_FALSE(id.ok());
    EXPECT_EQ(id.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(id.error().message.find("--model-dir"), std::string::npos) << id.error().message;
    EXPECT_FALSE(mesh.view(number).problem.empty());
  }
}

TEST(Machine, AStageThatCannotLoadIsLeftOutAndComesBackLater) {
  Mesh mesh;
  mesh.config.min_nodes = 2;
  for (const uint8_t number : {1, 2, 3}) mesh.start(number, make_profile(6, number == 1));
  mesh.at(2).on_load = [](const LoadSlice&) {
    return Result<>(Error(ErrorCode::kIo, "disk full"));
  };
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  EXPECT_EQ(mesh.at(2).loads, 1);
  EXPECT_EQ(mesh.view(1).plan.stages.back().node, node_id(3));
  mesh.kill(3);
  ASSERT_TRUE(mesh.run_until([&] { return !mesh.view(1).problem.empty(); }, seconds(10)));
  EXPECT_NE(mesh.view(1).problem.find("disk full"), std::string::npos);
  mesh.at(2).on_load = nullptr;
  EXPECT_TRUE(mesh.run_until([&] { return mesh.all_active(); }, seconds(30)));
}

TEST(Machine, AWantForAnotherModelIsRefusedWhileStreamsRunAndGrantedAfterwards) {
  Mesh mesh;
  transport::Profile profile = make_profile(kLayers, true);
  profile.offers.push_back(make_offer(2, "vast"));
  mesh.start(1, profile);
  mesh.start(2, make_profile(kLayers, false));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  EXPECT_EQ(mesh.view(2).plan.model_name, "tiny");
  const Result<SessionId> id = mesh.open(1, make_request(5, 100));
  ASSERT_TRUE(id.ok());
  mesh.run_for(milliseconds(60));
  mesh.with(2, [&](Machine& machine) { machine.request_model(model_id(2), mesh.now); });
  mesh.run_for(milliseconds(20));
  ASSERT_FALSE(mesh.at(2).others.empty());
  const auto* refused = std::get_if<ModelRefused>(&mesh.at(2).others.back());
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->error.code, ErrorCode::kExhausted);
  const std::optional<RefusalView> refusal = mesh.view(2).refusal;
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->model_name, "vast");
  EXPECT_NE(refusal->reason.find("tiny to 1 open stream(s)"), std::string::npos);
  EXPECT_FALSE(mesh.view(1).refusal) << "it did not ask";
  EXPECT_FALSE(mesh.stream(1, *id).result.has_value());
  mesh.run_until([&] { return mesh.stream(1, *id).result.has_value(); });
  mesh.run_for(seconds(2));
  EXPECT_TRUE(mesh.view(2).refusal) << "it stays until the next wish";
  mesh.with(2, [&](Machine& machine) { machine.request_model(model_id(2), mesh.now); });
  EXPECT_FALSE(mesh.view(2).refusal);
  EXPECT_TRUE(mesh.run_until(
      [&] { return mesh.all_active() && mesh.view(2).plan.model_name == "vast"; }, seconds(5)));
}

TEST(Machine, LinksAreMeasuredAndShown) {
  Mesh mesh;
  mesh.faults.delay = milliseconds(10);
  mesh.start(1, make_profile(kLayers, true));
  mesh.start(2, make_profile(kLayers, false));
  mesh.run_for(seconds(5));
  const View view = mesh.view(1);
  ASSERT_EQ(view.nodes.size(), 2u);
  ASSERT_EQ(view.nodes[1].beat.links.size(), 1u);
  EXPECT_NEAR(view.nodes[1].beat.links[0].round_trip_s, 0.020, 0.002);
  EXPECT_GT(view.nodes[1].beat.links[0].bytes_per_s, 0);
}

}  // namespace
}  // namespace weft::mesh::test
