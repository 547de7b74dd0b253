#include "mesh/sessions.h"

#include <gtest/gtest.h>

#include "mesh/limits.h"
#include "mesh/stage.h"
#include "tests/mesh/harness.h"

namespace weft::mesh::test {
namespace {

constexpr Epoch kEpoch{1 << 16};
const NodeId kFirst = node_id(1), kLast = node_id(2), kSelf = node_id(9);
const NoPlan kNone{"no plan", true}, kSoon{"loading", false};

class SessionsTest : public ::testing::Test {
 protected:
  SessionsTest() {
    plan_.epoch = kEpoch;
    plan_.layer_count = 2;
    plan_.hidden_dim = kHiddenDim;
    plan_.vocab_size = kVocab;
    plan_.context_length = plan_.kv_tokens = kContext;
    plan_.stages = {{kFirst, 0, 1}, {kLast, 1, 2}};
    sessions_.set_plan(plan_, now_);
  }
  SessionId open(uint32_t prompt, uint32_t max_tokens) {
    const Result<SessionId> id = sessions_.open(make_request(prompt, max_tokens), kNone, now_);
    EXPECT_TRUE(id.ok());
    return id.ok() ? *id : SessionId{};
  }
  ErrorCode refused(GenerateRequest request) {
    const Result<SessionId> id = sessions_.open(std::move(request), kNone, now_);
    EXPECT_FALSE(id.ok());
    message_ = id.ok() ? "" : id.error().message;
    return id.ok() ? ErrorCode::kInternal : id.error().code;
  }
  void token(SessionId id, uint32_t position, TokenId value, NodeId from = kLast) {
    sessions_.on_token(from, {kEpoch, id, position, value, {}}, now_);
  }
  // Sorts what came out since the last call.
  void collect() {
    steps_.clear();
    closes_.clear();
    given_.clear();
    ends_.clear();
    for (const Effect& effect : outbox_.take_effects()) {
      if (const auto* send = std::get_if<Send>(&effect)) {
        if (const auto* step = std::get_if<transport::Step>(&send->message))
          steps_.push_back(*step);
        if (std::holds_alternative<transport::Close>(send->message)) closes_.push_back(send->to);
      }
      if (const auto* out = std::get_if<TokenOut>(&effect)) given_.push_back(out->token);
      if (const auto* end = std::get_if<SessionEnd>(&effect)) ends_.push_back(*end);
    }
  }

  transport::Propose plan_;
  Outbox outbox_{kSelf};
  Sessions sessions_{outbox_, 1};
  Time now_{1};
  std::string message_;
  std::vector<transport::Step> steps_;
  std::vector<NodeId> closes_;
  std::vector<TokenId> given_;
  std::vector<SessionEnd> ends_;
};

TEST_F(SessionsTest, APromptGoesOutInChunksWithinAWindowAndAsksForOneToken) {
  const SessionId id = open(2000, 5);
  collect();
  const uint32_t window = kWindowChunksPerStage * 2;
  ASSERT_EQ(steps_.size(), window);
  for (const auto& step : steps_) EXPECT_FALSE(step.sample);
  token(id, kPrefillChunk, kNoToken);
  collect();
  ASSERT_EQ(steps_.size(), 1u);
  EXPECT_EQ(steps_[0].first_position, window * kPrefillChunk);
  for (uint32_t position = 2 * kPrefillChunk; position < 2000; position += kPrefillChunk) {
    token(id, position, kNoToken);
  }
  collect();
  ASSERT_FALSE(steps_.empty());
  EXPECT_TRUE(steps_.back().sample);
  EXPECT_EQ(steps_.back().first_position + steps_.back().token_count, 2000u);
  EXPECT_EQ(steps_.back().reserve_tokens, 2005u);
}

TEST_F(SessionsTest, ATokenIsGivenOutAndSentOnAtOnce) {
  const SessionId id = open(10, 3);
  collect();
  token(id, 10, 77);
  collect();
  EXPECT_EQ(given_, std::vector<TokenId>{77});
  ASSERT_EQ(steps_.size(), 1u);
  EXPECT_EQ(steps_[0].first_position, 10u);
  EXPECT_EQ(steps_[0].tokens, std::vector<TokenId>{77});
  EXPECT_TRUE(steps_[0].sample);
}

TEST_F(SessionsTest, TokensThatAreRepeatedOrEarlyOrForgedChangeNothing) {
  const SessionId id = open(10, 5);
  collect();
  token(id, 11, 5);
  token(id, 10, 5, kFirst);
  sessions_.on_token(kLast, {Epoch{2}, id, 10, 5}, now_);
  token(SessionId{12345}, 10, 5);
  token(id, 5000, kNoToken);
  collect();
  EXPECT_TRUE(given_.empty());
  token(id, 10, 5);
  token(id, 10, 6);
  collect();
  EXPECT_EQ(given_, std::vector<TokenId>{5});
  token(id, 11, TokenId(kVocab));
  collect();
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_FALSE(ends_[0].result.ok());
}

TEST_F(SessionsTest, ThePenaltysHistoryIsTheNewestTokensAndOnlySentWhenAskedFor) {
  GenerateRequest request = make_request(100, 5);
  ASSERT_TRUE(sessions_.open(request, kNone, now_).ok());
  collect();
  EXPECT_TRUE(steps_.back().history.empty());
  request.sampling.repetition_penalty = 1.1f;
  ASSERT_TRUE(sessions_.open(request, kNone, now_).ok());
  collect();
  ASSERT_EQ(steps_.back().history.size(), transport::kHistoryMax);
  EXPECT_EQ(steps_.back().history.back(), request.tokens.back());
}

TEST_F(SessionsTest, AGrammarGoesWithTheFirstRowsThatSampleAndAgainAfterANewStart) {
  GenerateRequest request = make_request(5, 5);
  request.sampling.constrained = true;
  request.sampling.grammar = std::make_shared<const std::string>("root ::= \"x\"");
  const auto id = sessions_.open(request, kNone, now_);
  ASSERT_TRUE(id.ok());
  collect();
  ASSERT_EQ(steps_.size(), 1u);
  EXPECT_EQ(steps_[0].sampling.grammar, request.sampling.grammar);
  EXPECT_EQ(steps_[0].sampling.answer_begin, 5u);
  EXPECT_TRUE(steps_[0].sampling.drawn.empty());
  sessions_.on_node_lost(kLast, "node attic is gone", now_);
  plan_.epoch = Epoch{2 << 16};
  sessions_.set_plan(plan_, now_);
  collect();
  ASSERT_EQ(steps_.size(), 1u);
  EXPECT_EQ(steps_[0].sampling.grammar, request.sampling.grammar);
  sessions_.on_token(kLast, {plan_.epoch, steps_[0].session, 5, 7, {}}, now_);
  collect();
  ASSERT_EQ(steps_.size(), 1u);
  EXPECT_TRUE(steps_[0].sampling.constrained);
  EXPECT_FALSE(steps_[0].sampling.grammar);
}

TEST_F(SessionsTest, ProbabilitiesAreHandedOnUnlessTheyNameNoToken) {
  const SessionId id = open(4, 5);
  const auto given = [&](uint32_t position, TokenId named) {
    sessions_.on_token(kLast, {kEpoch, id, position, 1, {{1, -0.5f}, {named, -1}}}, now_);
    for (const Effect& effect : outbox_.take_effects()) {
      if (const auto* out = std::get_if<TokenOut>(&effect)) return out->logprobs.size();
    }
    return size_t{99};
  };
  EXPECT_EQ(given(4, 3), 2u);
  EXPECT_EQ(given(5, TokenId(kVocab)), 0u);
}

TEST_F(SessionsTest, MaxTokensEndsItWithEveryStageClosed) {
  const SessionId id = open(4, 2);
  token(id, 4, 1);
  token(id, 5, 2);
  collect();
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(*ends_[0].result, FinishReason::kLength);
  EXPECT_EQ(ends_[0].usage.completion_tokens, 2u);
  EXPECT_EQ(closes_, (std::vector<NodeId>{kFirst, kLast}));
  EXPECT_EQ(sessions_.count(), 0u);
}

TEST_F(SessionsTest, TheContextsEndEndsIt) {
  const SessionId id = open(kContext - 2, 0);
  for (uint32_t position = kPrefillChunk; position < kContext - 2; position += kPrefillChunk) {
    token(id, position, kNoToken);
  }
  token(id, kContext - 2, 1);
  token(id, kContext - 1, 1);
  collect();
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(*ends_[0].result, FinishReason::kLength);
}

TEST_F(SessionsTest, BadRequestsAreRefusedWithBothNumbers) {
  EXPECT_EQ(refused(make_request(kContext, 1)), ErrorCode::kInvalid);
  EXPECT_NE(message_.find(std::to_string(kContext) + " tokens"), std::string::npos) << message_;
  EXPECT_NE(message_.find("room for " + std::to_string(kContext)), std::string::npos) << message_;
  EXPECT_EQ(refused(make_request(0, 1)), ErrorCode::kInvalid);
  GenerateRequest request = make_request(3, 1);
  request.tokens[1] = TokenId(kVocab);
  EXPECT_EQ(refused(request), ErrorCode::kInvalid);
  request = make_request(3, 1);
  request.tokens[1] = -1;
  EXPECT_EQ(refused(request), ErrorCode::kInvalid);
  request = make_request(3, 1);
  request.sampling.top_p = -1;
  EXPECT_EQ(refused(request), ErrorCode::kInvalid);
}

TEST_F(SessionsTest, MoreStreamsThanItsLimitAreRefused) {
  for (size_t i = 0; i < kSessionsMax; ++i) open(1, 1);
  EXPECT_EQ(refused(make_request(1, 1)), ErrorCode::kExhausted);
}

TEST_F(SessionsTest, AfterALostPlanAStreamGoesOnBehindItsNewestToken) {
  const SessionId id = open(5, 5);
  token(id, 5, 1);
  token(id, 6, 2);
  collect();
  sessions_.on_plan_lost(kEpoch, "node attic is gone", now_);
  plan_.epoch = Epoch{2 << 16};
  sessions_.set_plan(plan_, now_);
  collect();
  EXPECT_TRUE(ends_.empty());
  ASSERT_EQ(steps_.size(), 1u);
  EXPECT_EQ(steps_[0].first_position, 0u);
  EXPECT_EQ(steps_[0].token_count, 7u) << "the prompt and the answer so far";
  EXPECT_EQ(steps_[0].reserve_tokens, 10u);
  EXPECT_TRUE(steps_[0].sample);
  const SessionId renamed = steps_[0].session;
  EXPECT_NE(renamed, id);
  for (const uint32_t position : {7u, 8u, 9u}) {
    sessions_.on_token(kLast, {plan_.epoch, renamed, position, TokenId(position)}, now_);
  }
  collect();
  EXPECT_EQ(given_, (std::vector<TokenId>{7, 8, 9}));
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0].session, id);
  EXPECT_EQ(*ends_[0].result, FinishReason::kLength);
  EXPECT_EQ(ends_[0].usage.completion_tokens, 5u);
}

TEST_F(SessionsTest, AStreamThatFillsTheNextPlansContextEndsThere) {
  const SessionId id = open(5, 500);
  token(id, 5, 1);
  sessions_.on_plan_lost(kEpoch, "gone", now_);
  plan_.epoch = Epoch{2 << 16};
  plan_.context_length = plan_.kv_tokens = 6;
  sessions_.set_plan(plan_, now_);
  collect();
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(*ends_[0].result, FinishReason::kLength);
}

TEST_F(SessionsTest, WithoutANewPlanAStreamThatHasBegunWaitsLongerThanANewOne) {
  const SessionId begun = open(5, 5);
  token(begun, 5, 1);
  open(6, 6);
  sessions_.on_plan_lost(kEpoch, "gone", now_);
  const NoPlan loading{"a plan loads", false};
  now_ = now_ + kPlanWait;
  sessions_.tend_waiting(loading, now_);
  EXPECT_EQ(sessions_.count(), 1u);
  now_ = now_ + (kTokenGapMax - kPlanWait);
  sessions_.tend_waiting(loading, now_);
  collect();
  ASSERT_EQ(ends_.size(), 2u);
  EXPECT_EQ(ends_[1].session, begun);
  EXPECT_EQ(ends_[1].result.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(ends_[1].result.error().message, "a plan loads");
}

TEST_F(SessionsTest, WhereNoPlanIsMadeEveryStreamEndsAtOnce) {
  token(open(5, 5), 5, 1);
  sessions_.on_plan_lost(kEpoch, "gone", now_);
  sessions_.tend_waiting({"too little memory is left", true}, now_);
  collect();
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0].result.error().message, "too little memory is left");
}

TEST_F(SessionsTest, OneWithoutATokenStartsAgainOnTheNextPlanUnderANewName) {
  const SessionId id = open(5, 5);
  collect();
  ASSERT_EQ(steps_.size(), 1u);
  sessions_.on_node_lost(kLast, "node attic is gone", now_);
  collect();
  EXPECT_TRUE(ends_.empty());
  EXPECT_EQ(closes_.size(), 2u) << "the stages that live are freed";
  EXPECT_EQ(sessions_.waiting(), 1u);
  plan_.epoch = Epoch{2 << 16};
  sessions_.set_plan(plan_, now_);
  collect();
  ASSERT_EQ(steps_.size(), 1u);
  EXPECT_EQ(steps_[0].epoch, plan_.epoch);
  EXPECT_EQ(steps_[0].first_position, 0u);
  EXPECT_NE(steps_[0].session, id);
  const SessionId renamed = steps_[0].session;
  token(id, 5, 9);  // of the first start, late
  sessions_.on_token(kLast, {kEpoch, renamed, 5, 9, {}}, now_);
  collect();
  EXPECT_TRUE(given_.empty());
  sessions_.on_token(kLast, {plan_.epoch, renamed, 5, 7, {}}, now_);
  collect();
  EXPECT_EQ(given_, std::vector<TokenId>{7});
}

TEST_F(SessionsTest, ANewPlanLeavesRunningStreamsWhereTheyAre) {
  const SessionId id = open(5, 5);
  collect();
  plan_.epoch = Epoch{2 << 16};
  sessions_.set_plan(plan_, now_);
  token(id, 5, 7);
  collect();
  EXPECT_EQ(given_, std::vector<TokenId>{7});
  ASSERT_EQ(steps_.size(), 1u);
  EXPECT_EQ(steps_[0].epoch, kEpoch);
  open(5, 5);
  collect();
  ASSERT_EQ(steps_.size(), 1u);
  EXPECT_EQ(steps_[0].epoch, plan_.epoch);
}

TEST_F(SessionsTest, ThoseThatCameWithoutAPlanWaitForOneForALimitedTime) {
  sessions_.on_plan_lost(kEpoch, "gone", now_);
  for (size_t i = 0; i < kWaitingMax; ++i) {
    EXPECT_TRUE(sessions_.open(make_request(3, 3), kSoon, now_).ok());
  }
  const Result<SessionId> refused = sessions_.open(make_request(3, 3), kSoon, now_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  sessions_.tend_waiting(kSoon, now_ + (kPlanWait - milliseconds(1)));
  EXPECT_EQ(sessions_.waiting(), kWaitingMax);
  sessions_.tend_waiting(kSoon, now_ + kPlanWait);
  collect();
  ASSERT_EQ(ends_.size(), kWaitingMax);
  EXPECT_EQ(ends_[0].result.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(ends_[0].result.error().message, "loading");
  EXPECT_TRUE(closes_.empty());

  EXPECT_TRUE(sessions_.open(make_request(3, 3), kSoon, now_).ok());
  sessions_.tend_waiting(kNone, now_);
  EXPECT_EQ(sessions_.count(), 0u) << "no plan is being made: no use in waiting";
}

TEST_F(SessionsTest, OneThatWaitedIsCheckedAgainstThePlanThatComes) {
  sessions_.on_plan_lost(kEpoch, "gone", now_);
  EXPECT_TRUE(sessions_.open(make_request(kContext, 3), kSoon, now_).ok());
  GenerateRequest other = make_request(3, 3);
  other.model = model_id(7);
  EXPECT_TRUE(sessions_.open(other, kSoon, now_).ok());
  plan_.epoch = Epoch{2 << 16};
  plan_.model = model_id(1);
  sessions_.set_plan(plan_, now_);
  collect();
  ASSERT_EQ(ends_.size(), 2u);
  EXPECT_NE(ends_[0].result.error().code, ends_[1].result.error().code);
  EXPECT_EQ(sessions_.count(), 0u);
  EXPECT_EQ(refused(other), ErrorCode::kUnavailable) << "these are another model's tokens";
}

TEST_F(SessionsTest, AStreamIsStartedALimitedNumberOfTimes) {
  open(5, 5);
  for (int start = 1; start < kStartsMax; ++start) {
    sessions_.on_plan_lost(plan_.epoch, "gone", now_);
    plan_.epoch.value += 1 << 16;
    sessions_.set_plan(plan_, now_);
    EXPECT_EQ(sessions_.count(), 1u);
  }
  sessions_.on_plan_lost(plan_.epoch, "gone", now_);
  EXPECT_EQ(sessions_.count(), 0u);
}

TEST_F(SessionsTest, ARefusalByAStageEndsItTyped) {
  const SessionId id = open(5, 5);
  sessions_.on_refused(node_id(5), {kEpoch, id, ErrorCode::kInternal, "forged"}, now_);
  EXPECT_EQ(sessions_.count(), 1u);
  sessions_.on_refused(kFirst, {kEpoch, id, ErrorCode::kExhausted, "full"}, now_);
  collect();
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0].result.error().code, ErrorCode::kExhausted);
}

TEST_F(SessionsTest, AStageThatIsUnavailableIsTriedAgainALimitedNumberOfTimes) {
  const SessionId id = open(5, 5);
  collect();
  SessionId at_stages = id;
  for (int start = 1; start < kStartsMax; ++start) {
    sessions_.on_refused(kFirst, {kEpoch, at_stages, ErrorCode::kUnavailable, "no link"}, now_);
    EXPECT_EQ(sessions_.waiting(), 1u);
    now_ = now_ + kStartAgainAfter;
    sessions_.tend_waiting(kNone, now_);
    collect();
    ASSERT_EQ(steps_.size(), 1u);
    at_stages = steps_[0].session;
  }
  sessions_.on_refused(kFirst, {kEpoch, at_stages, ErrorCode::kUnavailable, "no link"}, now_);
  collect();
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0].session, id);
  EXPECT_EQ(ends_[0].result.error().message, "no link");
}

// A stream that gets on between its starts has as many again.
TEST_F(SessionsTest, ATokenMakesUpForTheStartsBeforeIt) {
  SessionId at_stages = open(5, 500);
  for (uint32_t i = 0; i < 3 * kStartsMax; ++i) {
    sessions_.on_token(kLast, {plan_.epoch, at_stages, 5 + i, 1}, now_);
    sessions_.on_plan_lost(plan_.epoch, "gone", now_);
    plan_.epoch.value += 1 << 16;
    sessions_.set_plan(plan_, now_);
    collect();
    ASSERT_FALSE(steps_.empty());
    at_stages = steps_.back().session;
  }
  EXPECT_EQ(sessions_.count(), 1u);
}

TEST_F(SessionsTest, AStaleStageRestartsAStream) {
  const SessionId first = open(5, 5), second = open(5, 5);
  token(second, 5, 1);
  sessions_.on_stale(node_id(5), {Epoch{kEpoch.value + 1}, first}, now_);
  EXPECT_EQ(sessions_.waiting(), 0u) << "not one of its stages";
  sessions_.on_stale(kLast, {Epoch{kEpoch.value + 1}, first}, now_);
  sessions_.on_stale(kLast, {Epoch{kEpoch.value + 1}, second}, now_);
  EXPECT_EQ(sessions_.waiting(), 2u);
  collect();
  EXPECT_TRUE(ends_.empty());
}

TEST_F(SessionsTest, APromptThatGetsOnHasTimeToTheTotal) {
  const SessionId id = open(4 * kPrefillChunk, 5);
  const Time opened = now_;
  for (const uint32_t passed : {kPrefillChunk, 2 * kPrefillChunk}) {
    now_ = now_ + (kFirstTokenWithin - milliseconds(1));
    token(id, passed, kNoToken);
    sessions_.tick(now_);
    ASSERT_EQ(sessions_.count(), 1u);
  }
  token(id, 2 * kPrefillChunk, kNoToken);  // said again: no news
  sessions_.tick(now_ + kFirstTokenWithin);
  collect();
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0].result.error().code, ErrorCode::kTimeout);
  EXPECT_LT(now_ + kFirstTokenWithin - opened, kSessionTotalMax);
}

TEST_F(SessionsTest, EachDeadlineEndsItWithATimeout) {
  open(5, 5);
  sessions_.tick(now_ + (kFirstTokenWithin - milliseconds(1)));
  EXPECT_EQ(sessions_.count(), 1u);
  sessions_.tick(now_ + kFirstTokenWithin);
  collect();
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0].result.error().code, ErrorCode::kTimeout);

  SessionId id = open(5, 50);
  token(id, 5, 1);
  sessions_.tick(now_ + (kTokenGapMax - milliseconds(1)));
  EXPECT_EQ(sessions_.count(), 1u);
  sessions_.tick(now_ + kTokenGapMax);
  EXPECT_EQ(sessions_.count(), 0u);

  id = open(5, 500);
  const Time opened = now_;
  for (uint32_t position = 5; now_ - opened < kSessionTotalMax; ++position) {
    token(id, position, 1);
    EXPECT_EQ(sessions_.count(), 1u);
    now_ = now_ + seconds(20);
    sessions_.tick(now_);
  }
  EXPECT_EQ(sessions_.count(), 0u);
}

}  // namespace
}  // namespace weft::mesh::test
