#include "transport/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "tests/support/support.h"
#include "tests/transport/frames.h"

namespace weft::transport {
namespace {

using ::testing::HasSubstr;

NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes.fill(number);
  return id;
}

ModelOffer sample_offer() {
  ModelOffer offer;
  offer.model.bytes.fill(7);
  offer.name = "tiny";
  offer.file_bytes = 123456;
  offer.hidden_dim = 128;
  offer.kv_bytes_per_token_layer = 256;
  offer.embedding = {1000, 2000, 1};
  offer.head = {1001, 2001, 8};
  offer.layers = {{10, 20, 12}, {11, 21, 14, 512, 7}};
  offer.scratch_row_bytes = 300;
  offer.scratch_position_bytes = 64;
  offer.tied_bytes = 900;
  return offer;
}

std::shared_ptr<const std::string> sample_grammar() {
  return std::make_shared<const std::string>("root ::= \"é\"");
}

Step sample_step() {
  Step step;
  step.epoch = {9};
  step.session = {77};
  step.head = node_id(3);
  step.first_position = 5;
  step.token_count = 2;
  step.reserve_tokens = 100;
  step.sample = true;
  step.sampling = {0.7f, 40, 0.9f, 0.05f, 1.1f, 1234567890123ull};
  step.sampling.presence_penalty = 0.5f;
  step.sampling.frequency_penalty = -0.25f;
  step.sampling.answer_begin = 6;
  step.sampling.logprobs = 21;
  step.sampling.logit_bias = {{5, -100}, {6, 1.5f}};
  step.sampling.constrained = true;
  step.sampling.grammar = sample_grammar();
  step.sampling.drawn = {8, 9};
  step.history = {1, 2, 3};
  step.hidden = SharedBytes::adopt(std::vector<float>{1, 2, 3, -4.5f});
  return step;
}

// One of every message, with every field set.
std::vector<Message> samples() {
  Hello hello{"laptop", "0.1", 42, 7071, {{node_id(2), "192.168.1.7:7071"}}};
  Beat beat{42, 3, {5}, {6}, 7, 1, 2, 3, 4, 5.5, true, {{node_id(4), 0.001, 1e8}}};
  Profile profile{42, "cpu avx2", 1u << 30, 1e-5, {{12, 1e10, 1e11}}, {sample_offer()},
                  1u << 20, {{12, 1e9, 1e10}}, {}};
  profile.adapters.bytes.fill(3);
  Propose propose;
  propose.epoch = {9};
  propose.layer_count = 4;
  propose.hidden_dim = 128;
  propose.model_name = "tiny";
  propose.predicted_decode_tps = 12.5;
  propose.stages = {{node_id(1), 0, 3}, {node_id(2), 3, 4}};
  propose.holders = {node_id(1)};
  propose.kv_type = KvType::kQ8_0;
  Step tokens = sample_step();
  tokens.hidden = {};
  tokens.tokens = {11, 12};
  tokens.sample = false;
  tokens.sampling = {};
  tokens.pooling = Pooling::kLast;
  Manifest manifest;
  manifest.file_bytes = 1000;
  manifest.tensors.resize(3);
  manifest.tensors[1].bytes.fill(9);
  return {hello,
          beat,
          profile,
          LinkProbe{1, true, SharedBytes::adopt(Bytes(100, 7))},
          propose,
          Ready{{9}, 0.5f, ErrorCode::kIo, "no room"},
          Activate{{9}},
          Stale{{9}, {77}},
          Want{sample_offer().model},
          sample_step(),
          tokens,
          Token{{9}, {77}, 8, 1234, {{1234, -0.5f}, {7, -1.5f}}},
          Token{{9}, {77}, 8, -1, {}, {0.5f, -2, 1e-30f}},
          Close{{9}, {77}},
          Refused{{9}, {77}, ErrorCode::kExhausted, "full"},
          ManifestRequest{sample_offer().model},
          manifest,
          Fetch{sample_offer().model, 5, 4096, 1000},
          Chunk{sample_offer().model, 5, 4096, SharedBytes::adopt(Bytes(1000, 1)), "late"},
          RosterUpdate{SharedBytes::adopt(Bytes(300, 2))},
          ErrorReport{ErrorCode::kDenied, "no"}};
}

TEST(Codec, EveryMessageComesBackAsItWent) {
  for (const Message& message : samples()) {
    const auto frame = encode(message, node_id(1), 55);
    ASSERT_TRUE(frame.ok()) << message_name(message);
    const auto back = decode(*frame);
    ASSERT_TRUE(back.ok()) << message_name(message) << ": " << back.error().message;
    EXPECT_EQ(back->sender, node_id(1));
    EXPECT_EQ(back->sequence, 55u);
    EXPECT_EQ(back->message.index(), message.index());
    // What was decoded encodes to the same bytes, so every field made the way.
    EXPECT_EQ(frame_bytes(back->message, node_id(1), 55), frame_bytes(message, node_id(1), 55))
        << message_name(message);
  }
}

TEST(Codec, AStepKeepsItsActivationsBitForBitAndAligned) {
  const auto back = decode(*encode(sample_step(), node_id(1), 1));
  ASSERT_TRUE(back.ok());
  const Step& step = std::get<Step>(back->message);
  ASSERT_TRUE(step.sampling.grammar);
  EXPECT_EQ(*step.sampling.grammar, *sample_grammar());
  SamplingParams same = sample_step().sampling;
  same.grammar = step.sampling.grammar;
  EXPECT_EQ(step.sampling, same);
  EXPECT_EQ(std::vector<float>(step.hidden.floats().begin(), step.hidden.floats().end()),
            (std::vector<float>{1, 2, 3, -4.5f}));
  EXPECT_EQ(step.history, sample_step().history);
}

TEST(Codec, APooledStepAndItsEmbeddingComeBack) {
  Step step = sample_step();
  step.pooling = Pooling::kMean;
  const auto back = decode(*encode(step, node_id(1), 1));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(std::get<Step>(back->message).pooling, Pooling::kMean);
  EXPECT_TRUE(std::get<Step>(back->message).sample);
  EXPECT_EQ(std::get<Step>(back->message).sampling, SamplingParams{}) << "it draws nothing";
  const Token token{{9}, {77}, 8, -1, {}, {0.5f, -2, 1e-30f}};
  const auto said = decode(*encode(token, node_id(1), 1));
  ASSERT_TRUE(said.ok());
  EXPECT_EQ(std::get<Token>(said->message).embedding, token.embedding);
}

TEST(Codec, WhatIsDecodedViewsTheFrameAndKeepsItAlive) {
  auto frame = std::make_optional(*encode(sample_step(), node_id(1), 1));
  const uint8_t *begin = frame->view().data(), *end = begin + frame->size();
  const auto back = decode(*frame);
  ASSERT_TRUE(back.ok());
  frame.reset();
  const ByteView hidden = std::get<Step>(back->message).hidden.view();
  EXPECT_TRUE(hidden.data() > begin && hidden.data() + hidden.size() <= end) << "it was copied";
  EXPECT_EQ(std::get<Step>(back->message).hidden.floats()[3], -4.5f);
}

TEST(Codec, TheLargestPayloadFitsAFrameAndMoreIsRefused) {
  Step step = sample_step();
  step.token_count = 1;
  step.hidden = SharedBytes::adopt(Bytes(kPayloadBytesMax));
  EXPECT_TRUE(encode(step, node_id(1), 1).ok());
  step.hidden = SharedBytes::adopt(Bytes(kFrameBytesMax));
  EXPECT_EQ(encode(step, node_id(1), 1).error().code, ErrorCode::kInvalid);
}

TEST(Codec, EmptyOneByteAndOversizedFramesAreRefused) {
  EXPECT_EQ(decode({}).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(decode(SharedBytes::adopt(Bytes(1))).error().code, ErrorCode::kCorrupt);
  const auto oversized = SharedBytes::adopt(Bytes(kFrameBytesMax + 1));
  EXPECT_EQ(decode(oversized).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(decode(SharedBytes::adopt(Bytes(1000, 0xFF))).error().code, ErrorCode::kCorrupt);
}

TEST(Codec, AMisalignedFrameIsReadAsWell) {
  const Bytes frame = frame_bytes(sample_step(), node_id(1), 1);
  for (const size_t by : {1, 2, 4}) {
    Bytes bytes(frame.size() + by);
    std::copy(frame.begin(), frame.end(), bytes.begin() + long(by));
    const SharedBytes shifted = SharedBytes::adopt(std::move(bytes));
    EXPECT_TRUE(decode(SharedBytes(shifted.owner(), shifted.view().subspan(by))).ok()) << by;
  }
}

TEST(Codec, AnotherProtocolVersionIsRefusedByNumber) {
  Bytes frame = frame_bytes(Activate{{1}}, node_id(1), 1);
  // The version is the only field of value 1 that is 16 bits wide; find it by trial.
  bool seen = false;
  for (size_t i = 0; i < frame.size(); ++i) {
    const uint8_t before = frame[i];
    frame[i] = 77;
    const auto back = decode(SharedBytes::adopt(Bytes(frame)));
    seen = seen || (!back.ok() && back.error().code == ErrorCode::kUnsupported &&
                    back.error().message.find("version 77") != std::string::npos);
    frame[i] = before;
  }
  EXPECT_TRUE(seen);
}

void expect_refused(const Message& message, const char* why) {
  const auto frame = encode(message, node_id(1), 1);
  ASSERT_TRUE(frame.ok());
  const auto back = decode(*frame);
  ASSERT_FALSE(back.ok()) << why;
  EXPECT_EQ(back.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(back.error().message, HasSubstr(why));
}

TEST(Codec, AStepWhoseShapeDiffersFromItsPayloadIsRefused) {
  Step step = sample_step();
  step.token_count = 3;
  expect_refused(step, "activations differ");
  step = sample_step();
  step.token_count = 0;
  expect_refused(step, "positions are out of range");
  step = sample_step();
  step.first_position = UINT32_MAX;
  expect_refused(step, "positions are out of range");
  step = sample_step();
  step.tokens = {1, 2};
  expect_refused(step, "either tokens or activations");
  step.hidden = {};
  step.tokens = {1};
  expect_refused(step, "tokens differ");
  step = sample_step();
  step.history.resize(kHistoryMax + 1);
  expect_refused(step, "history");
  step = sample_step();
  step.pooling = Pooling(kPoolings);
  expect_refused(step, "pooling");
}

TEST(Codec, APlanThatLeavesLayersOutIsRefused) {
  Propose propose;
  propose.layer_count = 4;
  propose.stages = {{node_id(1), 0, 2}, {node_id(2), 3, 4}};
  expect_refused(propose, "stages");
  propose.stages = {{node_id(1), 0, 2}};
  expect_refused(propose, "leave layers out");
  propose.stages = {};
  expect_refused(propose, "counts");
  propose.kv_type = KvType(kKvTypes);
  expect_refused(propose, "KV cache");
}

TEST(Codec, NumbersThatAreNoNumbersAreRefused) {
  Beat beat;
  beat.links = {{node_id(1), std::nan(""), 1}};
  expect_refused(beat, "no number");
  Profile profile;
  profile.layer_overhead_s = -1;
  expect_refused(profile, "no number");
  profile.layer_overhead_s = 0;
  profile.slow_speeds = {{1, std::nan(""), 1}};
  expect_refused(profile, "no number");
  Ready ready;
  ready.progress = 2;
  expect_refused(ready, "progress");
  Fetch fetch;
  fetch.offset = UINT64_MAX;
  fetch.size = 10;
  expect_refused(fetch, "range");
}

TEST(Codec, MutatedFramesNeverCrash) {
  const uint64_t seed = test::test_seed(5);
  const std::vector<Message> messages = samples();
  int accepted = 0;
  for (uint64_t round = 0; round < 20000; ++round) {
    Random random(seed * 1'000'000 + round);
    Bytes frame = frame_bytes(messages[random.below(messages.size())], node_id(1), 1);
    for (uint64_t n = 1 + random.below(4); n > 0; --n) {
      frame[random.below(frame.size())] = uint8_t(random.next());
    }
    if (random.below(4) == 0) frame.resize(random.below(frame.size() + 1));
    const auto back = decode(SharedBytes::adopt(Bytes(frame)));
    accepted += back.ok();
    // What is let through must be usable: encoding it again reads every field.
    if (back.ok()) {
      EXPECT_TRUE(encode(back->message, back->sender, 1).ok());
    }
  }
  std::printf("%d of 20000 mutated frames were still well-formed\n", accepted);
}

}  // namespace
}  // namespace weft::transport
