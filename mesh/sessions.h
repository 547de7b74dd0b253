// Sessions: the streams this node is the head of.
//
// A prompt goes to the first stage in chunks, at most kWindowChunksPerStage per stage on their way:
// the last stage reports each chunk that has passed (Token with kNoToken). Each token that comes
// home is given out and sent on at once as the next row. A stream ends once, with a reason or a
// typed error, by its deadlines at the latest.
//
// A stream runs on one plan, also if a newer plan has become active meanwhile. If its plan is lost,
// or a stage unavailable, it waits (as those do that were opened without a plan) and starts again
// on the next: the prompt and what was drawn so far are computed anew, and the stream goes on
// behind its newest token. A token depends on logits, parameters and position only, and logits on
// no batch and no split, so among devices of one instruction set the text is as if nothing had
// happened.
//
// A session whose rows are pooled has no answer: its one Token with an embedding ends it.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
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

// Why there is no plan.
struct NoPlan {
  std::string why;        // for the client
  bool hopeless = false;  // none is being made: waiting is of no use
};

class Sessions {
 public:
  Sessions(Outbox& outbox, uint64_t seed) : outbox_(outbox), random_(seed) {}

  // The plan that new sessions run on. Those that wait start on it at once; those that run stay on
  // theirs.
  void set_plan(const transport::Propose& plan, Time now);
  // See Machine::open; `none` counts while there is no plan.
  Result<SessionId> open(GenerateRequest request, const NoPlan& none, Time now);
  void cancel(SessionId session, Time now);

  // Messages from the plan's stages; from anyone else, late or repeated: no effect.
  void on_token(NodeId from, const transport::Token& token, Time now);
  void on_refused(NodeId from, const transport::Refused& refused, Time now);
  void on_stale(NodeId from, const transport::Stale& stale, Time now);
  // This plan serves no more; new sessions have none, if it was theirs.
  void on_plan_lost(Epoch epoch, const std::string& why, Time now);
  // No plan but this one serves any more.
  void keep_only(Epoch epoch, const std::string& why, Time now);
  // A node has died: every plan that needs it is lost.
  void on_node_lost(NodeId node, const std::string& why, Time now);
  // Every stream ends with kUnavailable.
  void end_all(const std::string& why, Time now);
  // Ends the waiting whose time is up, or all of them if there is no plan and `none` is hopeless;
  // starts those again whose plan is still there.
  void tend_waiting(const NoPlan& none, Time now);
  void tick(Time now);

  size_t count() const { return sessions_.size(); }
  size_t waiting() const;
  // The most that were open at one time since the last call of forget_peak, and now.
  size_t peak() const { return std::max(peak_, sessions_.size()); }
  void forget_peak() { peak_ = sessions_.size(); }
  std::vector<SessionView> view(Time now) const;

 private:
  using Plan = std::shared_ptr<const transport::Propose>;
  struct Session {
    ModelId model;                // of the token ids; zero until the first start if any will do
    std::vector<TokenId> tokens;  // the prompt, then what was drawn
    uint32_t prompt_count = 0;
    uint32_t max_tokens = 0;  // 0: to the context's end
    SamplingParams sampling;
    std::vector<TokenId> end_tokens;
    transport::Pooling pooling = transport::Pooling::kNone;
    Plan plan;            // that it runs on; null while it waits for one
    SessionId at_stages;  // its name there: a new one for each start, as stages forget none
    int starts = 0;  // since its newest token
    Time waiting_since;
    uint32_t limit = 0;   // most tokens on this plan, prompt and answer together
    uint32_t sent = 0;    // positions on their way or through
    uint32_t passed = 0;  // positions that the last stage has seen
    bool grammar_sent = false;  // to the last stage of this plan, with what was drawn before
    Time opened;
    std::optional<Time> first_token;
    Time last_news;  // the opening, a new start, a part of the prompt that passed, a token
  };

  using Entry = std::map<SessionId, Session>::iterator;

  // By the name that its stages know; end() if none runs under it.
  Entry find_running(SessionId at_stages);
  SessionId fresh_id();
  // Starts or restarts it on the plan for new sessions; ends it if that cannot take it.
  void start(SessionId id, Session& session, Time now);
  void send_rows(Session& session);
  // Its plan is lost: it starts again, waits, or ends.
  void interrupt(SessionId id, const std::string& why, Time now);
  template <typename Lost>
  void interrupt_if(const Lost& lost, const std::string& why, Time now);
  // Lets go of its plan and frees the stages.
  void leave_plan(Session& session);
  // Ends and forgets the session; frees the stages unless it never reached them.
  void end(SessionId id, Result<FinishReason> result, Time now, std::vector<float> embedding = {});
  // What the last stage says of a pooled session that is no progress: its end.
  void on_embedding(Entry entry, const transport::Token& token, Time now);

  Outbox& outbox_;
  Random random_;
  Plan plan_;  // for new sessions
  std::map<SessionId, Session> sessions_;
  size_t peak_ = 0;
};

}  // namespace weft::mesh
