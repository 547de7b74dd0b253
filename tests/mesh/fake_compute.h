// A model made of hashes: every output depends on every input before it, layer by layer, as in a
// transformer. A row lost, doubled, reordered or computed by a wrong layer shows in all later
// tokens. However rows are batched, chunked and split over nodes, the right answer is the same.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mesh/compute.h"
#include "mesh/machine.h"

namespace weft::mesh::test {

inline constexpr uint32_t kHiddenDim = 4;  // 16 bits of the state in each float
inline constexpr uint32_t kVocab = 1000;
inline constexpr uint32_t kLayers = 12;
inline constexpr uint32_t kContext = 2048;

inline uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9E3779B97F4A7C15u ^ (b + 0x7F4A7C15u + (a << 6) + (a >> 2));
  x ^= x >> 31;
  x *= 0xBF58476D1CE4E5B9u;
  return x ^ x >> 29;
}

// One layer's memory of a session: what a KV cache is to a transformer.
using LayerState = uint64_t;

inline uint64_t run_layer(uint32_t layer, LayerState& state, uint64_t value) {
  state = mix(state, value);
  return mix(value, state + layer);
}

inline TokenId draw(uint64_t value, const SamplingParams& sampling, uint32_t position) {
  return TokenId(mix(mix(value, sampling.seed), position) % kVocab);
}

// A value as the floats of a hidden state.
inline std::vector<float> parts_of(uint64_t value) {
  std::vector<float> parts;
  for (int part = 0; part < 4; ++part) parts.push_back(float(value >> (16 * part) & 0xFFFF));
  return parts;
}

// One more row of a pooled input; the fake's mean is a sum.
inline uint64_t pool(transport::Pooling pooling, uint64_t pooled, uint64_t value) {
  return pooling == transport::Pooling::kMean ? pooled + value : value;
}

inline std::vector<float> expected_embedding(const GenerateRequest& request) {
  std::vector<LayerState> states(kLayers);
  uint64_t pooled = 0;
  for (const TokenId token : request.tokens) {
    uint64_t value = uint64_t(token) + 1;
    for (uint32_t layer = 0; layer < kLayers; ++layer)
      value = run_layer(layer, states[layer], value);
    pooled = pool(request.pooling, pooled, value);
  }
  return parts_of(pooled);
}

// What the whole model answers on one node, with nothing in between.
inline std::vector<TokenId> expected_answer(const GenerateRequest& request) {
  if (request.pooling != transport::Pooling::kNone) return {};
  std::vector<LayerState> states(kLayers);
  std::vector<TokenId> all = request.tokens, answer;
  uint64_t value = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    value = uint64_t(all[i]) + 1;
    for (uint32_t layer = 0; layer < kLayers; ++layer)
      value = run_layer(layer, states[layer], value);
    if (i + 1 < all.size()) continue;
    const TokenId token = draw(value, request.sampling, uint32_t(all.size()));
    for (const TokenId end : request.end_tokens) {
      if (token == end) return answer;
    }
    all.push_back(token);
    answer.push_back(token);
    if (answer.size() == request.max_tokens || all.size() >= kContext) return answer;
  }
  return answer;
}

class FakeCompute {
 public:
  uint32_t kv_capacity = 1u << 20;  // tokens

  void load(Epoch epoch, uint32_t first_layer, uint32_t last_layer, Epoch keep = {}) {
    std::erase_if(slices_, [&](const auto& entry) { return entry.first != keep; });
    slices_[epoch] = {first_layer, last_layer, {}};
    if (slices_.size() > 2) violations_.push_back("more than two slices");
  }
  void drop(Epoch before) {
    std::erase_if(slices_, [&](const auto& entry) { return entry.first < before; });
  }
  // What is free afterwards; nothing if there is no such slice.
  std::optional<uint32_t> release(Epoch epoch, SessionId session) {
    const auto found = slices_.find(epoch);
    if (found == slices_.end()) return {};
    found->second.sessions.erase(session);
    return kv_capacity - reserved(found->second);
  }
  size_t session_count() const {
    size_t count = 0;
    for (const auto& [epoch, slice] : slices_) count += slice.sessions.size();
    return count;
  }
  size_t slice_count() const { return slices_.size(); }
  // Batches seen, as (decode rows, prefill rows).
  const std::vector<std::pair<uint32_t, uint32_t>>& batches() const { return batches_; }
  // Defects of the caller: gaps, doubles, wrong shapes.
  const std::vector<std::string>& violations() const { return violations_; }

  Result<BatchOutput> run(const BatchJob& job) {
    const auto found = slices_.find(job.epoch);
    if (found == slices_.end()) return Error(ErrorCode::kStale, "no slice of this epoch");
    Slice& slice = found->second;
    BatchOutput out;
    std::set<SessionId> seen;
    uint32_t decode = 0, prefill = 0;
    for (const BatchSequence& sequence : job.sequences) {
      if (!seen.insert(sequence.session).second)
        violations_.push_back("a session twice in a batch");
      (sequence.row_count == 1 ? decode : prefill) += sequence.row_count;
      out.sequences.push_back(run_sequence(slice, sequence));
    }
    batches_.emplace_back(decode, prefill);
    out.elapsed_s = 0.001;
    out.kv_free_tokens = kv_capacity - reserved(slice);
    return out;
  }

 private:
  struct Session {
    std::vector<LayerState> layers;
    uint32_t next = 0;
    uint32_t reserved = 0;
    uint64_t pooled = 0;
  };
  struct Slice {
    uint32_t first = 0, last = 0;
    std::map<SessionId, Session> sessions;
  };

  static uint32_t reserved(const Slice& slice) {
    uint32_t sum = 0;
    for (const auto& [id, session] : slice.sessions) sum += session.reserved;
    return sum;
  }

  SequenceOutput run_sequence(Slice& slice, const BatchSequence& sequence) {
    SequenceOutput out;
    if (sequence.first_position == 0) {
      slice.sessions.erase(sequence.session);
      if (reserved(slice) + sequence.reserve_tokens > kv_capacity) {
        out.error = Error(ErrorCode::kExhausted, "no room in the KV cache");
        return out;
      }
      slice.sessions[sequence.session].reserved = sequence.reserve_tokens;
    }
    Session& session = slice.sessions[sequence.session];
    session.layers.resize(slice.last - slice.first);
    if (session.next != sequence.first_position) {
      // After an error of this session its later rows may still come; they must not count.
      out.error = Error(ErrorCode::kInvalid, "a gap in the positions");
      return out;
    }
    const std::vector<uint64_t> values = inputs(slice, sequence);
    if (values.size() != sequence.row_count) violations_.push_back("rows and payload differ");
    std::vector<float> hidden;
    uint64_t value = 0;
    for (const uint64_t input : values) {
      value = input;
      for (uint32_t layer = slice.first; layer < slice.last; ++layer) {
        value = run_layer(layer, session.layers[layer - slice.first], value);
      }
      for (const float part : parts_of(value)) hidden.push_back(part);
      session.pooled = pool(sequence.pooling, session.pooled, value);
    }
    session.next += sequence.row_count;
    if (slice.last < kLayers) {
      if (sequence.sample) violations_.push_back("asked a middle stage to sample");
      out.hidden = SharedBytes::adopt(std::move(hidden));
    } else if (sequence.sample && sequence.pooling != transport::Pooling::kNone) {
      out.embedding = parts_of(session.pooled);
    } else if (sequence.sample) {
      out.token = draw(value, sequence.sampling, session.next);
    }
    return out;
  }

  static std::vector<uint64_t> inputs(const Slice& slice, const BatchSequence& sequence) {
    std::vector<uint64_t> values;
    if (slice.first == 0) {
      for (const TokenId token : sequence.tokens) values.push_back(uint64_t(token) + 1);
      return values;
    }
    for (const SharedBytes& piece : sequence.hidden) {
      const std::span<const float> floats = piece.floats();
      for (size_t i = 0; i + 4 <= floats.size(); i += 4) {
        uint64_t value = 0;
        for (int part = 0; part < 4; ++part) value |= uint64_t(floats[i + part]) << (16 * part);
        values.push_back(value);
      }
    }
    return values;
  }

  std::map<Epoch, Slice> slices_;
  std::vector<std::pair<uint32_t, uint32_t>> batches_;
  std::vector<std::string> violations_;
};

}  // namespace weft::mesh::test
