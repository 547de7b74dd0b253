// Outbox: where every part of a machine puts its effects. A message to this node itself goes into a
// local queue instead, which the machine feeds back through the same door as the network's.
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "mesh/effects.h"

namespace weft::mesh {

class Outbox {
 public:
  explicit Outbox(NodeId self) : self_(self) {}
  NodeId self() const { return self_; }

  void send(NodeId to, transport::Message message) {
    if (to == self_) {
      local_.push_back(std::move(message));
    } else {
      effects_.push_back(Send{to, std::move(message)});
    }
  }
  void emit(Effect effect) { effects_.push_back(std::move(effect)); }

  // The oldest message to this node itself.
  std::optional<transport::Message> take_local() {
    if (local_.empty()) return std::nullopt;
    transport::Message message = std::move(local_.front());
    local_.pop_front();
    return message;
  }
  std::vector<Effect> take_effects() { return std::exchange(effects_, {}); }
  // Numbers for SubmitBatch, each used once by whichever stage asks.
  uint64_t next_job() { return ++job_; }

 private:
  NodeId self_;
  std::deque<transport::Message> local_;
  std::vector<Effect> effects_;
  uint64_t job_ = 0;
};

}  // namespace weft::mesh
