// Messages from members that are wrong, late or hostile: dropped or refused, never a crash, and
// what serves goes on.
#include <gtest/gtest.h>

#include "base/log.h"
#include "mesh/limits.h"
#include "tests/mesh/harness.h"
#include "tests/support/support.h"

namespace weft::mesh::test {
namespace {

class MachineMessagesTest : public ::testing::Test {
 protected:
  MachineMessagesTest() {
    mesh_.config.min_nodes = 2;
    for (const uint8_t number : {1, 2, 3}) mesh_.start(number, make_profile(6, number == 1));
    EXPECT_TRUE(mesh_.run_until([&] { return mesh_.all_active(); }));
  }
  // Gives the message to node 1 as from another member; what node 1 sends because of it.
  template <typename Kind>
  std::vector<std::pair<NodeId, Kind>> answers(uint8_t from, transport::Message message) {
    Machine& machine = mesh_.machine(1);
    machine.take_effects(mesh_.now);
    machine.on_message(node_id(from), std::move(message), mesh_.now);
    std::vector<std::pair<NodeId, Kind>> found;
    effects_ = machine.take_effects(mesh_.now);
    for (const Effect& effect : effects_) {
      const auto* send = std::get_if<Send>(&effect);
      if (!send) continue;
      if (const auto* kind = std::get_if<Kind>(&send->message)) found.emplace_back(send->to, *kind);
    }
    return found;
  }
  transport::Step step(Epoch epoch) {
    transport::Step step;
    step.epoch = epoch;
    step.session = SessionId{77};
    step.head = node_id(3);
    step.token_count = 1;
    step.tokens = {1};
    return step;
  }

  Mesh mesh_;
  std::vector<Effect> effects_;
};

TEST_F(MachineMessagesTest, AStrangerEpochIsAnsweredStale) {
  const Epoch serving = mesh_.view(1).plan.epoch;
  for (const uint64_t epoch : {serving.value - 1, serving.value + 1, uint64_t{0}, UINT64_MAX}) {
    const auto stale = answers<transport::Stale>(3, step(Epoch{epoch}));
    ASSERT_EQ(stale.size(), 1u);
    EXPECT_EQ(stale[0].first, node_id(3));
    EXPECT_EQ(stale[0].second.epoch, serving);
    EXPECT_EQ(stale[0].second.session, SessionId{77});
  }
  EXPECT_EQ(mesh_.view(1).stage_sessions, 0u);
}

TEST_F(MachineMessagesTest, RowsWithoutALivingHeadAreDropped) {
  transport::Step orphan = step(mesh_.view(1).plan.epoch);
  orphan.head = node_id(50);
  EXPECT_TRUE(answers<transport::Refused>(3, orphan).empty());
  EXPECT_EQ(mesh_.view(1).queued_rows, 0u);
}

TEST_F(MachineMessagesTest, RowsBeforeTheActivationArriveAreTakenIfTheLayersAreReady) {
  Mesh mesh;
  mesh.config.min_nodes = 2;
  // Node 2, the second stage, never hears Activate.
  mesh.drop = [](const Send& send, NodeId) {
    return send.to == node_id(2) && std::holds_alternative<transport::Activate>(send.message);
  };
  for (const uint8_t number : {1, 2}) mesh.start(number, make_profile(6, number == 1));
  ASSERT_TRUE(mesh.run_until_active(1));
  const GenerateRequest request = make_request(10, 5);
  EXPECT_EQ(mesh.ask(1, request).answer, expected_answer(request));
}

TEST_F(MachineMessagesTest, AMalformedProposalChangesNothing) {
  const Epoch serving = mesh_.view(1).plan.epoch;
  transport::Propose bad;
  bad.epoch = Epoch{serving.value + (1 << 16)};
  answers<transport::Ready>(3, bad);
  EXPECT_EQ(mesh_.view(1).plan.epoch, serving);
  EXPECT_TRUE(mesh_.view(1).plan.active);
}

TEST_F(MachineMessagesTest, AnImplausibleEpochIsNotFollowed) {
  const Epoch serving = mesh_.view(1).plan.epoch;
  transport::Propose plan;
  plan.epoch = Epoch{UINT64_MAX};
  plan.layer_count = 1;
  plan.hidden_dim = plan.vocab_size = plan.context_length = plan.kv_tokens = 4;
  plan.stages = {{node_id(3), 0, 1}};
  answers<transport::Ready>(3, plan);
  EXPECT_EQ(mesh_.view(1).plan.epoch, serving);
  EXPECT_LT(mesh_.view(1).highest_epoch.value, UINT64_MAX / 2);
}

TEST_F(MachineMessagesTest, AddressesAreHintsAndTheirNumberIsBounded) {
  transport::Hello hello;
  hello.incarnation = 4711;
  hello.known = {{node_id(9), "192.168.1.7:7071"}, {node_id(1), "1.2.3.4:1"}};
  hello.known.push_back({node_id(8), std::string(1000, 'x')});
  answers<transport::Ready>(3, hello);
  int learned = 0;
  for (const Effect& effect : effects_) {
    if (const auto* learn = std::get_if<LearnAddress>(&effect)) {
      ++learned;
      EXPECT_EQ(learn->node, node_id(9));
    }
  }
  EXPECT_EQ(learned, 1);
}

TEST_F(MachineMessagesTest, AnOlderRosterIsNoticedAndARosterIsPassedOn) {
  transport::Beat beat;
  beat.incarnation = 5000;
  beat.number = 1;
  beat.roster_epoch = 0;
  answers<transport::Ready>(3, beat);
  const auto is = [&](auto* kind) {
    using Kind = std::remove_pointer_t<decltype(kind)>;
    return std::any_of(effects_.begin(), effects_.end(),
                       [](const Effect& effect) { return std::holds_alternative<Kind>(effect); });
  };
  EXPECT_TRUE(is(static_cast<RosterBehind*>(nullptr)));
  answers<transport::Ready>(3, transport::RosterUpdate{SharedBytes::adopt(Bytes(9))});
  EXPECT_TRUE(is(static_cast<RosterBytes*>(nullptr)));
}

TEST_F(MachineMessagesTest, FilesAreServedInPiecesThatFitAFrame) {
  transport::Fetch fetch{model_id(1), 5, 100, uint32_t(transport::kPayloadBytesMax)};
  EXPECT_TRUE(answers<transport::Chunk>(2, fetch).empty());
  EXPECT_TRUE(std::any_of(effects_.begin(), effects_.end(), [](const Effect& effect) {
    return std::holds_alternative<ServeFetch>(effect);
  }));
  for (const uint32_t size : {0u, uint32_t(transport::kPayloadBytesMax + 1), UINT32_MAX}) {
    fetch.size = size;
    const auto refused = answers<transport::Chunk>(2, fetch);
    ASSERT_EQ(refused.size(), 1u);
    EXPECT_FALSE(refused[0].second.error.empty());
  }
}

TEST_F(MachineMessagesTest, OnlyTheCoordinatorsWordOnAProblemIsBelieved) {
  mesh_.kill(2);
  mesh_.machine(3).on_message(node_id(2), transport::ErrorReport{ErrorCode::kUnavailable, "lies"},
                              mesh_.now);
  EXPECT_EQ(mesh_.view(3).problem, "");
}

TEST_F(MachineMessagesTest, AStreamWhoseRowsTheNetworkRefusesStartsAgain) {
  const Result<SessionId> running = mesh_.open(3, make_request(5, 500));
  ASSERT_TRUE(running.ok());
  mesh_.run_for(milliseconds(100));
  ASSERT_FALSE(mesh_.stream(3, *running).answer.empty());
  const Result<SessionId> fresh = mesh_.open(3, make_request(5, 5));
  ASSERT_TRUE(fresh.ok());
  for (const SessionId id : {*running, *fresh}) {
    transport::Step lost = step(mesh_.view(3).plan.epoch);
    lost.session = id;
    mesh_.with(3, [&](Machine& machine) { machine.on_undelivered(node_id(1), lost, mesh_.now); });
  }
  EXPECT_FALSE(mesh_.stream(3, *running).result.has_value());
  EXPECT_FALSE(mesh_.stream(3, *fresh).result.has_value());
  mesh_.run_for(kStartAgainAfter + seconds(20));
  for (const SessionId id : {*running, *fresh}) {
    ASSERT_TRUE(mesh_.stream(3, id).result.has_value());
    EXPECT_TRUE(mesh_.stream(3, id).result->ok());
  }
  EXPECT_TRUE(mesh_.defects().empty());
}

// Every kind of message with random content from every sender, thousands of times.
TEST_F(MachineMessagesTest, RandomMessagesCrashNothingAndTheMeshServesOn) {
  set_log_level(LogLevel::kError);
  Random random(weft::test::test_seed(42));
  const Epoch serving = mesh_.view(1).plan.epoch;
  const auto number = [&](uint64_t plausible) {
    switch (random.below(4)) {
      case 0:
        return uint64_t{0};
      case 1:
        return random.next();
      default:
        return random.below(plausible + 1);
    }
  };
  const auto epoch = [&] { return random.below(2) ? serving : Epoch{number(serving.value)}; };
  for (int i = 0; i < 20000; ++i) {
    const auto from = uint8_t(2 + random.below(2));
    const SessionId session{number(8)};
    transport::Message message;
    switch (random.below(11)) {
      case 0: {
        transport::Step any = step(epoch());
        any.session = session;
        any.head = node_id(uint8_t(random.below(5)));
        any.first_position = uint32_t(number(40));
        any.token_count = uint32_t(number(4));
        any.reserve_tokens = uint32_t(number(100));
        any.sample = random.below(2);
        any.pooling = transport::Pooling(random.below(transport::kPoolings));
        any.tokens.assign(random.below(5), TokenId(number(kVocab)));
        if (random.below(2)) any.hidden = SharedBytes::adopt(Bytes(random.below(64)));
        message = any;
        break;
      }
      case 1:
        message = transport::Token{epoch(), session, uint32_t(number(50)),
                                   TokenId(number(kVocab)), {},
                                   std::vector<float>(random.below(6), 1.0f)};
        break;
      case 2:
        message = transport::Close{epoch(), session};
        break;
      case 3:
        message = transport::Refused{epoch(), session, ErrorCode::kInternal, "x"};
        break;
      case 4:
        message = transport::Stale{Epoch{number(serving.value)}, session};
        break;
      case 5:
        message = transport::Ready{epoch(), float(number(2)), {}, random.below(2) ? "" : "e"};
        break;
      case 6:
        message = transport::LinkProbe{number(9), random.below(2) == 0,
                                       SharedBytes::adopt(Bytes(random.below(40)))};
        break;
      case 7:
        message = transport::Chunk{model_id(1), number(9), number(999), {}, "e"};
        break;
      case 8:
        message = transport::Manifest{model_id(1), number(99), number(9), {}};
        break;
      case 9:
        message = transport::Activate{epoch()};
        break;
      default:
        message = transport::Want{model_id(uint8_t(random.below(3)))};
        break;
    }
    mesh_.with(1, [&](Machine& machine) {
      machine.on_message(node_id(from), std::move(message), mesh_.now);
    });
    if (i % 50 == 0) mesh_.run_for(milliseconds(10));
  }
  set_log_level(LogLevel::kInfo);
  mesh_.run_for(seconds(10));
  ASSERT_TRUE(mesh_.run_until([&] { return mesh_.all_active(); }));
  const GenerateRequest request = make_request(30, 10, 99);
  EXPECT_EQ(mesh_.ask(3, request).answer, expected_answer(request));
}

}  // namespace
}  // namespace weft::mesh::test
