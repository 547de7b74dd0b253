// A stage by itself, the steps it is sent and the batches it asks for.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "mesh/stage.h"
#include "tests/mesh/harness.h"

namespace weft::mesh::test {

inline constexpr Epoch kEpoch{1 << 16};
inline constexpr uint32_t kBudget = 256;
inline const NodeId kHead = node_id(9), kFirst = node_id(1), kSecond = node_id(2);

inline transport::Propose make_plan(uint32_t hidden_dim = kHiddenDim) {
  transport::Propose plan;
  plan.epoch = kEpoch;
  plan.layer_count = 2;
  plan.hidden_dim = hidden_dim;
  plan.vocab_size = kVocab;
  plan.context_length = plan.kv_tokens = kContext;
  plan.stages = {{kFirst, 0, 1}, {kSecond, 1, 2}};
  return plan;
}

inline transport::Step rows(uint64_t session, uint32_t first, uint32_t count, bool sample = false) {
  transport::Step step;
  step.epoch = kEpoch;
  step.session = SessionId{session};
  step.head = kHead;
  step.first_position = first;
  step.token_count = count;
  step.sample = sample;
  step.tokens.assign(count, 1);
  return step;
}

class StageTest : public ::testing::Test {
 protected:
  explicit StageTest(size_t index = 0, uint32_t hidden_dim = kHiddenDim)
      : outbox_(index == 0 ? kFirst : kSecond) {
    stage_.start(make_plan(hidden_dim), index);
  }

  std::vector<Effect> effects() {
    stage_.pump(now_);
    return outbox_.take_effects();
  }
  template <typename Kind>
  std::vector<Kind> all(const std::vector<Effect>& list) {
    std::vector<Kind> found;
    for (const Effect& effect : list) {
      if (const auto* kind = std::get_if<Kind>(&effect)) found.push_back(*kind);
    }
    return found;
  }
  template <typename Kind>
  std::vector<Kind> messages(const std::vector<Effect>& list) {
    std::vector<Kind> found;
    for (const Send& send : all<Send>(list)) {
      if (const auto* kind = std::get_if<Kind>(&send.message)) found.push_back(*kind);
    }
    return found;
  }
  void step(transport::Step message) { stage_.on_step(kHead, std::move(message), now_); }
  // An output of the right shape for every sequence.
  BatchOutput output(const BatchJob& job, uint32_t hidden_dim = kHiddenDim) {
    BatchOutput out;
    for (const BatchSequence& sequence : job.sequences) {
      SequenceOutput& one = out.sequences.emplace_back();
      one.hidden = SharedBytes::adopt(std::vector<float>(sequence.row_count * hidden_dim, 1.0f));
    }
    out.elapsed_s = 0.1;
    return out;
  }

  Outbox outbox_;
  Stage stage_{outbox_, kBudget};
  Time now_{1};
};

}  // namespace weft::mesh::test
