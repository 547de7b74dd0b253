// Sessions: the streams this node is the head of.
//
// A prompt goes to the first stage in chunks, at most kWindowChunksPerStage per stage on their way:
// the last stage reports each chunk that has passed (Token with kNoToken). Each token that comes
// home is given out and sent on at once as the next row. A stream ends once, with a reason or a
// typed error, by its deadlines at the latest. The token ids of every open stream are kept to its
// end, so that a stream can be resumed on another plan: on_plan_lost is the one place that would.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"
#include "base/result.h"
#include "mesh/machine.h"
#include "mesh/outbox.h"
#include "mesh/view.h"
#include "transport/message.h"

namespace weft::mesh {

class Sessions {
 public:
  Sessions(Outbox& outbox, uint64_t seed) : outbox_(outbox), random_(seed) {}

  // The plan that new sessions run on; sessions of another one must have ended (on_plan_lost).
  void set_plan(const transport::Propose& plan) { plan_ = plan; }
  // See Machine::open; without a plan kUnavailable with `why_none`.
  Result<SessionId> open(GenerateRequest request, const std::string& why_none, Time now);
  void cancel(SessionId session, Time now);

  // Messages from the plan's stages; from anyone else, late or repeated: no effect.
  void on_token(NodeId from, const transport::Token& token, Time now);
  void on_refused(NodeId from, const transport::Refused& refused, Time now);
  void on_stale(NodeId from, const transport::Stale& stale, Time now);
  // The plan is gone (a stage died, another plan came): every stream ends with kUnavailable.
  void on_plan_lost(const std::string& why, Time now);
  void tick(Time now);

  size_t count() const { return sessions_.size(); }
  std::vector<SessionView> view(Time now) const;

 private:
  struct Session {
    std::vector<TokenId> tokens;  // the prompt, then what was drawn
    uint32_t prompt_count = 0;
    uint32_t limit = 0;     // most tokens, prompt and answer together
    uint32_t capacity = 0;  // positions the plan has room for
    SamplingParams sampling;
    std::vector<TokenId> end_tokens;
    uint32_t sent = 0;    // positions on their way or through
    uint32_t passed = 0;  // positions that the last stage has seen
    Time opened;
    std::optional<Time> first_token;
    Time last_token;
  };

  void send_rows(SessionId id, Session& session);
  // Ends and forgets the session; frees the stages unless it never reached them.
  void end(SessionId id, Result<FinishReason> result, Time now);
  bool from_stage(NodeId from) const;

  Outbox& outbox_;
  Random random_;
  std::optional<transport::Propose> plan_;
  std::map<SessionId, Session> sessions_;
};

}  // namespace weft::mesh
