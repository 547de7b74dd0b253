// A snapshot of what a machine knows, for `weft status`, /api/mesh and the page. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "transport/message.h"

namespace weft::mesh {

enum class MemberState {
  kAlive,
  kSuspect,  // a beat is late or the link broke; still used
  kDead,     // shown for kForgetAfter, then gone
};
// "alive", "suspect", "dead".
std::string_view member_state_name(MemberState state);

struct NodeView {
  NodeId node;
  std::string name;
  MemberState state = MemberState::kAlive;
  bool self = false;
  bool link_up = false;
  bool has_profile = false;
  double beat_age_s = 0;
  transport::Profile profile;
  transport::Beat beat;  // its last: load and links
};

struct StageView {
  NodeId node;
  std::string name;
  uint32_t first_layer = 0;
  uint32_t last_layer = 0;  // exclusive
  float progress = 0;       // of loading; 1: ready
  // Predictions, known to the coordinator that made the plan; else 0.
  double decode_s = 0;
  double hop_s = 0;
  uint64_t memory_bytes = 0;
};

struct LeftOutView {
  NodeId node;
  std::string name;
  std::string reason;
};

struct PlanView {
  Epoch epoch;
  ModelId model;
  std::string model_name;
  bool active = false;  // false: its stages are loading
  float progress = 0;   // the least of its stages
  uint32_t layer_count = 0;
  uint32_t hidden_dim = 0;
  uint32_t vocab_size = 0;
  uint32_t context_length = 0;
  uint32_t kv_tokens = 0;
  KvType kv_type = KvType::kF16;
  double decode_tps = 0;      // predicted, one stream
  double throughput_tps = 0;  // predicted, many; 0 where only the coordinator knows
  double prefill_tps = 0;
  std::vector<StageView> stages;
  std::vector<LeftOutView> left_out;  // known to the coordinator
};

struct OfferView {
  ModelId model;
  std::string name;
  uint64_t file_bytes = 0;
  uint32_t layer_count = 0;
  std::vector<NodeId> holders;
};

struct SessionView {
  SessionId session;
  uint32_t prompt_tokens = 0;
  uint32_t completion_tokens = 0;
  double age_s = 0;
};

// A wish for a model that was not granted.
struct RefusalView {
  std::string model_name;
  std::string reason;
};

struct View {
  NodeId self;
  NodeId coordinator;
  Epoch highest_epoch;
  std::vector<NodeView> nodes;  // by id, this node among them
  bool has_plan = false;
  PlanView plan;                      // if has_plan: the active one, else the one that is loading
  std::vector<OfferView> offers;      // by name
  std::vector<SessionView> sessions;  // open here
  uint32_t stage_sessions = 0;
  uint32_t queued_rows = 0;
  std::string problem;  // why there is no plan; empty if there is one or one is loading
  // Of this node's last request_model, until the next one or the next plan.
  std::optional<RefusalView> refusal;
};

}  // namespace weft::mesh
