// Machine: one node's part in the mesh, as a pure state machine.
//
// It reads no clock, opens no socket, starts no thread and never waits: events come in with a Time,
// effects come out of take_effects(). The same code runs in a node, in the simulator and in tests.
//
//   machine.on_message(from, message, now);   // as many events as there are
//   for (Effect& effect : machine.take_effects(now)) carry_out(effect);
//
// The way of a request: open() -> sessions (head) -> Step -> stage (batch) -> SubmitBatch ->
// on_batch_done -> Step to the next stage ... -> Token home -> TokenOut and the next Step.
// The way of a plan: profiles and beats -> coordinator -> Propose -> rollout (every member) ->
// LoadSlice -> on_slice_loaded -> Ready -> Activate; the plan before serves until then, and its
// streams end on it.
// A message to this node itself takes the same code path through a local queue, so a mesh of one
// works without a network.
//
// One thread: all calls come from the node's mesh thread. Nothing a peer sends can fail an
// assertion; a caller that breaks a contract stated here can.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "base/sampling.h"
#include "mesh/compute.h"
#include "mesh/effects.h"
#include "mesh/limits.h"
#include "mesh/view.h"
#include "partition/planner.h"
#include "transport/message.h"

namespace weft::mesh {

// partition::plan, or a test's own.
using PlanFunction = std::function<Result<partition::Plan>(const partition::PlanRequest&)>;
// partition::evaluate, or a test's own: what given stages are worth by the same measurements.
using EvaluateFunction = std::function<Result<partition::Plan>(
    const partition::PlanRequest&, const std::vector<partition::Stage>&)>;

struct MachineConfig {
  NodeId self;
  std::string name;
  std::string version;
  uint64_t incarnation = 0;  // drawn at each start, not 0
  uint16_t listen_port = 0;
  uint64_t session_seed = 0;  // random: session ids are drawn from it
  std::string model_name;     // the model to serve by its offer's name; empty: the first offered
  partition::Objective objective = partition::Objective::kLatency;
  size_t min_nodes = 1;            // of the first plan; after a loss those that are left may do
  uint32_t kv_tokens = 8192;       // capacity each stage makes
  KvType kv_type = KvType::kF16;
  uint32_t step_row_budget = 128;  // most prefill rows in one batch, at least 1
  uint32_t step_rows_max() const { return step_row_budget + kDecodeRowsMax; }
  PlanFunction plan;
  EvaluateFunction evaluate = partition::evaluate;
};

// A member as the roster names it.
struct RosterMember {
  NodeId node;
  std::string name;
};

// What a client asks the head for.
struct GenerateRequest {
  ModelId model;                // whose token ids these are; zero: whatever model is served
  std::vector<TokenId> tokens;  // the prompt, at least one
  uint32_t max_tokens = 0;      // 0: to the context's end
  SamplingParams sampling;
  std::vector<TokenId> end_tokens;  // any of them ends the answer
  // Other than kNone: no answer is drawn, and SessionEnd brings the input's embedding.
  transport::Pooling pooling = transport::Pooling::kNone;
};

// A part of a model's file to fetch, verified as a whole: the header, or one tensor.
struct ByteRange {
  uint64_t offset = 0;  // in the file
  uint64_t size = 0;
};
struct FetchItem {
  uint32_t item = 0;  // the node's number for it
  ByteRange range;
  std::vector<ByteRange> missing;  // what is not stored yet, within `range`; empty: all stored
};

class Machine {
 public:
  // config.plan must be callable.
  Machine(MachineConfig config, Time now);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // What is to be done, in order; settles everything that waits first (messages to itself,
  // batches).
  std::vector<Effect> take_effects(Time now);
  // Call about every 50 ms.
  void on_tick(Time now);

  // --- The network. Messages come from members only, told apart by their keys.
  void on_members(const std::vector<RosterMember>& members, uint64_t roster_epoch, Time now);
  void on_link_up(NodeId peer, Time now);
  void on_link_down(NodeId peer, Time now);
  void on_message(NodeId from, transport::Message message, Time now);
  // The network refused a Send (no link, or its queue is full).
  void on_undelivered(NodeId to, const transport::Message& message, Time now);
  // What Hello tells peers: addresses at which this node reaches others.
  void set_known_addresses(std::vector<transport::PeerAddress> known, Time now);

  // --- This node's means. Until a profile is set the node gets no layers.
  void set_profile(transport::Profile profile, Time now);
  void on_load_progress(Epoch epoch, float progress, Time now);
  void on_slice_loaded(Epoch epoch, Result<> result, Time now);
  void on_batch_done(uint64_t job, Result<BatchOutput> output, Time now);
  // The other members to whom the messages go that follow from this batch's end: the next stage, or
  // the heads and the first stage. Empty if it is not under way. Changes nothing.
  std::vector<NodeId> receivers_of(uint64_t job) const;
  // A session was released: what the slice of this epoch has free now. In order with the batches,
  // whose outputs say it too.
  void on_released(Epoch epoch, uint32_t kv_free_tokens);

  // --- Streams, with this node as head.
  // kInvalid (empty prompt, too long: says both numbers, an id beyond the vocabulary), kExhausted
  // (kSessionsMax are open), kUnavailable (no plan can be made: says what is missing; another model
  // is served). While a plan is made or loaded the stream is accepted and waits for it, at most
  // kPlanWait; what open would have refused then comes as its end.
  Result<SessionId> open(GenerateRequest request, Time now);
  // Ends it with kCancelled and frees every stage; unknown sessions are fine.
  void cancel(SessionId session, Time now);

  // --- Models.
  // Asks the coordinator to serve this model; a refusal comes as ModelRefused and is in the view.
  void request_model(ModelId model, Time now);
  // Fetching, one thing at a time; a new call replaces what runs, and each ends in one FetchEnded.
  // The manifest first (VerifyManifest -> on_manifest_verified), then items, which come from every
  // member that offers the model at that time (StoreChunk, VerifyItem -> on_item_verified).
  void fetch_manifest(ModelId model, std::vector<NodeId> holders, Time now);
  void on_manifest_verified(ModelId model, bool ok, Time now);
  void fetch_items(ModelId model, std::vector<FetchItem> items, Time now);
  void on_item_verified(ModelId model, uint32_t item, bool ok, Time now);
  void cancel_fetch();

  // Says goodbye: leaving beats to all, open sessions end with kUnavailable. Nothing is accepted
  // afterwards.
  void leave(Time now);

  View view(Time now) const;
  // What a coordinator here would ask the planner about a model of this shape; changes nothing.
  partition::PlanRequest plan_question(const transport::ModelOffer& model) const;

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace weft::mesh
