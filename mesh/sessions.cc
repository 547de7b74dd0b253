#include "mesh/sessions.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "mesh/checks.h"
#include "mesh/limits.h"
#include "mesh/stage.h"

namespace weft::mesh {
namespace {

uint32_t capacity(const transport::Propose& plan) {
  return std::min(plan.context_length, plan.kv_tokens);
}

// Can a stream with this prompt run on the plan? One that is pooled needs no room for an answer.
Result<> check_prompt(const std::vector<TokenId>& tokens, ModelId model, transport::Pooling pooling,
                      const transport::Propose& plan) {
  if (!model.is_zero() && model != plan.model) {
    return Error(ErrorCode::kUnavailable,
                 cat("the mesh serves ", plan.model_name, " now, another model than was asked"));
  }
  const bool pooled = pooling != transport::Pooling::kNone;
  if (tokens.size() >= capacity(plan) + size_t{pooled}) {
    return Error(ErrorCode::kInvalid,
                 cat("the ", pooled ? "input" : "prompt", " has ", tokens.size(),
                     " tokens, the context has room for ", capacity(plan),
                     pooled ? "" : " with the answer"));
  }
  for (const TokenId token : tokens) {
    if (token < 0 || uint32_t(token) >= plan.vocab_size) {
      return Error(ErrorCode::kInvalid,
                   cat("token ", token, " is not in the vocabulary of ", plan.vocab_size));
    }
  }
  return {};
}

bool fit_vocabulary(const std::vector<TokenLogprob>& logprobs, uint32_t vocab_size) {
  return std::all_of(logprobs.begin(), logprobs.end(), [&](const TokenLogprob& one) {
    return one.token >= 0 && uint32_t(one.token) < vocab_size && !std::isnan(one.logprob);
  });
}

}  // namespace

Result<SessionId> Sessions::open(GenerateRequest request, const NoPlan& none, Time now) {
  if (!plan_ && none.hopeless) return Error(ErrorCode::kUnavailable, none.why);
  if (sessions_.size() >= kSessionsMax) {
    return Error(ErrorCode::kExhausted,
                 cat("all ", kSessionsMax, " streams of this node are in use; try again later"));
  }
  if (request.tokens.empty()) return Error(ErrorCode::kInvalid, "the prompt is empty");
  if (request.end_tokens.size() > kEndTokensMax) {
    return Error(ErrorCode::kInvalid, cat("more than ", kEndTokensMax, " end tokens"));
  }
  WEFT_CHECK(check_sampling(request.sampling));
  if (plan_) {
    WEFT_CHECK(check_prompt(request.tokens, request.model, request.pooling, *plan_));
  } else if (waiting() >= kWaitingMax) {
    return Error(ErrorCode::kUnavailable,
                 cat(none.why, " (", kWaitingMax, " requests wait for it already)"));
  }
  const SessionId id = fresh_id();
  Session& session = sessions_[id];
  session.model = request.model;
  session.prompt_count = uint32_t(request.tokens.size());
  session.tokens = std::move(request.tokens);
  session.max_tokens = request.max_tokens;
  session.sampling = std::move(request.sampling);
  session.sampling.answer_begin = session.prompt_count;
  session.end_tokens = std::move(request.end_tokens);
  session.pooling = request.pooling;
  session.opened = session.last_news = session.waiting_since = now;
  peak_ = std::max(peak_, sessions_.size());
  if (plan_) start(id, session, now);
  return id;
}

SessionId Sessions::fresh_id() {
  SessionId id{random_.next()};
  while (id.value == 0 || sessions_.contains(id) || find_running(id) != sessions_.end()) {
    id.value = random_.next();
  }
  return id;
}

Sessions::Entry Sessions::find_running(SessionId at_stages) {
  return std::find_if(sessions_.begin(), sessions_.end(), [&](const auto& entry) {
    return entry.second.plan && entry.second.at_stages == at_stages;
  });
}

void Sessions::start(SessionId id, Session& session, Time now) {
  if (session.first_token && session.tokens.size() >= capacity(*plan_)) {
    return end(id, FinishReason::kLength, now);
  }
  const Result<> checked = check_prompt(session.tokens, session.model, session.pooling, *plan_);
  if (!checked.ok()) return end(id, checked.error(), now);
  session.model = plan_->model;
  session.at_stages = session.at_stages.value == 0 ? id : fresh_id();
  ++session.starts;
  session.plan = plan_;
  const uint64_t wanted = uint64_t{session.prompt_count} + session.max_tokens;
  session.limit = session.max_tokens == 0 ? capacity(*plan_)
                                          : uint32_t(std::min<uint64_t>(capacity(*plan_), wanted));
  if (session.pooling != transport::Pooling::kNone) session.limit = session.prompt_count;
  session.sent = session.passed = 0;
  session.last_news = now;
  session.grammar_sent = false;
  send_rows(session);
}

void Sessions::set_plan(const transport::Propose& plan, Time now) {
  plan_ = std::make_shared<const transport::Propose>(plan);
  std::vector<SessionId> ready;
  for (const auto& [id, session] : sessions_) {
    if (!session.plan) ready.push_back(id);
  }
  for (const SessionId id : ready) start(id, sessions_.at(id), now);
}

// Sends what may be on its way: prompt chunks within the window, or the newest token.
void Sessions::send_rows(Session& session) {
  const transport::Propose& plan = *session.plan;
  const uint32_t window = kPrefillChunk * kWindowChunksPerStage * uint32_t(plan.stages.size());
  while (session.sent < session.tokens.size() && session.sent - session.passed < window) {
    transport::Step step;
    step.epoch = plan.epoch;
    step.session = session.at_stages;
    step.head = outbox_.self();
    step.first_position = session.sent;
    step.token_count = std::min(kPrefillChunk, uint32_t(session.tokens.size()) - session.sent);
    step.reserve_tokens = session.limit;
    const auto first = session.tokens.begin() + session.sent;
    const auto last = first + step.token_count;
    step.tokens.assign(first, last);
    step.pooling = session.pooling;
    step.sample = last == session.tokens.end();
    if (step.sample && session.pooling == transport::Pooling::kNone) {
      step.sampling = session.sampling;
      if (session.grammar_sent) {
        step.sampling.grammar.reset();
      } else if (session.sampling.grammar) {
        session.grammar_sent = true;
        step.sampling.drawn.assign(session.tokens.begin() + session.prompt_count,
                                   session.tokens.end());
      }
      if (needs_history(session.sampling)) {
        const size_t count = std::min(transport::kHistoryMax, session.tokens.size());
        step.history.assign(session.tokens.end() - count, session.tokens.end());
      }
    }
    session.sent += step.token_count;
    outbox_.send(plan.stages.front().node, std::move(step));
  }
}

void Sessions::on_token(NodeId from, const transport::Token& token, Time now) {
  const auto it = find_running(token.session);
  if (it == sessions_.end() || token.epoch != it->second.plan->epoch) return;
  Session& session = it->second;
  if (from != session.plan->stages.back().node) return;
  const bool passed_rows = token.token == kNoToken && token.embedding.empty();
  if (session.pooling != transport::Pooling::kNone && !passed_rows) {
    return on_embedding(it, token, now);
  }
  if (token.token == kNoToken) {
    if (token.position <= session.passed || token.position > session.sent) return;
    session.passed = token.position;
    session.last_news = now;
    if (!session.first_token) {
      outbox_.emit(SessionProgress{it->first, std::min(session.passed, session.prompt_count),
                                   session.prompt_count});
    }
    return send_rows(session);
  }
  // A token is drawn from the newest row, and from that one only: anything else is a repetition.
  if (token.position != session.tokens.size() || session.sent != session.tokens.size()) return;
  if (token.token < 0 || uint32_t(token.token) >= session.plan->vocab_size) {
    return end(it->first,
               Error(ErrorCode::kInternal, "the last stage drew a token beyond the vocabulary"),
               now);
  }
  session.passed = token.position;
  session.starts = 1;
  if (!session.first_token) session.first_token = now;
  session.last_news = now;
  const auto& ends = session.end_tokens;
  if (std::find(ends.begin(), ends.end(), token.token) != ends.end()) {
    return end(it->first, FinishReason::kStop, now);
  }
  session.tokens.push_back(token.token);
  TokenOut out{it->first, token.position, token.token, {}};
  if (fit_vocabulary(token.logprobs, session.plan->vocab_size)) out.logprobs = token.logprobs;
  outbox_.emit(std::move(out));
  if (session.tokens.size() >= session.limit) return end(it->first, FinishReason::kLength, now);
  send_rows(session);
}

void Sessions::on_embedding(Entry entry, const transport::Token& token, Time now) {
  const Session& session = entry->second;
  if (token.position != session.tokens.size() || session.sent != session.tokens.size()) return;
  const bool fits =
      token.embedding.size() == session.plan->hidden_dim &&
      std::all_of(token.embedding.begin(), token.embedding.end(),
                  [](float value) { return std::isfinite(value); });
  if (!fits) {
    return end(entry->first,
               Error(ErrorCode::kInternal, "the last stage gave an embedding of a wrong size, or "
                                           "with values that are no finite numbers"),
               now);
  }
  end(entry->first, FinishReason::kStop, now, token.embedding);
}

void Sessions::on_refused(NodeId from, const transport::Refused& refused, Time now) {
  const auto it = find_running(refused.session);
  if (it == sessions_.end() || refused.epoch != it->second.plan->epoch) return;
  // From itself: a step could not be sent.
  if (!stage_index(*it->second.plan, from) && from != outbox_.self()) return;
  std::string why = printable(refused.text, 300);
  if (refused.code == ErrorCode::kUnavailable) return interrupt(it->first, why, now);
  end(it->first, Error(refused.code, std::move(why)), now);
}

void Sessions::on_stale(NodeId from, const transport::Stale& stale, Time now) {
  const auto it = find_running(stale.session);
  if (it == sessions_.end() || !stage_index(*it->second.plan, from)) return;
  interrupt(it->first,
            cat("the plan was replaced (epoch ", to_string(it->second.plan->epoch), " by ",
                to_string(stale.epoch), "); ask again"),
            now);
}

void Sessions::cancel(SessionId session, Time now) {
  if (!sessions_.contains(session)) return;
  end(session, Error(ErrorCode::kCancelled, "cancelled by the client"), now);
}

void Sessions::interrupt(SessionId id, const std::string& why, Time now) {
  Session& session = sessions_.at(id);
  const bool newer = plan_ && plan_->epoch != session.plan->epoch;
  const bool may_wait = newer || waiting() < kWaitingMax;
  if (session.starts >= kStartsMax || !may_wait) {
    return end(id, Error(ErrorCode::kUnavailable, why), now);
  }
  log_info("session.restarts", {{"session", to_string(id)}, {"why", why}});
  leave_plan(session);
  session.waiting_since = now;
  if (newer) start(id, session, now);
}

template <typename Lost>
void Sessions::interrupt_if(const Lost& lost, const std::string& why, Time now) {
  if (plan_ && lost(*plan_)) plan_.reset();
  std::vector<SessionId> hit;
  for (const auto& [id, session] : sessions_) {
    if (session.plan && lost(*session.plan)) hit.push_back(id);
  }
  for (const SessionId id : hit) interrupt(id, why, now);
}

void Sessions::on_plan_lost(Epoch epoch, const std::string& why, Time now) {
  interrupt_if([&](const transport::Propose& plan) { return plan.epoch == epoch; }, why, now);
}

void Sessions::keep_only(Epoch epoch, const std::string& why, Time now) {
  interrupt_if([&](const transport::Propose& plan) { return plan.epoch != epoch; }, why, now);
}

void Sessions::on_node_lost(NodeId node, const std::string& why, Time now) {
  interrupt_if([&](const transport::Propose& plan) { return stage_index(plan, node).has_value(); },
               why, now);
}

void Sessions::end_all(const std::string& why, Time now) {
  while (!sessions_.empty()) {
    end(sessions_.begin()->first, Error(ErrorCode::kUnavailable, why), now);
  }
  plan_.reset();
}

size_t Sessions::waiting() const {
  return size_t(std::count_if(sessions_.begin(), sessions_.end(),
                              [](const auto& entry) { return !entry.second.plan; }));
}

void Sessions::tend_waiting(const NoPlan& none, Time now) {
  std::vector<SessionId> over, again;
  for (const auto& [id, session] : sessions_) {
    if (session.plan) continue;
    const Duration waited = now - session.waiting_since;
    if (plan_ && waited >= kStartAgainAfter) again.push_back(id);
    const Duration patience = session.first_token ? kTokenGapMax : kPlanWait;
    if (!plan_ && (none.hopeless || waited >= patience)) over.push_back(id);
  }
  for (const SessionId id : again) start(id, sessions_.at(id), now);
  for (const SessionId id : over) end(id, Error(ErrorCode::kUnavailable, none.why), now);
}

void Sessions::tick(Time now) {
  std::vector<std::pair<SessionId, std::string>> late;
  for (const auto& [id, session] : sessions_) {
    if (!session.first_token && now - session.last_news >= kFirstTokenWithin) {
      late.emplace_back(id, cat("no first token, and no more of the prompt computed, within ",
                                to_seconds(kFirstTokenWithin), " s"));
    } else if (session.first_token && now - session.last_news >= kTokenGapMax) {
      late.emplace_back(id, cat("no token for ", to_seconds(kTokenGapMax), " s"));
    } else if (now - session.opened >= kSessionTotalMax) {
      late.emplace_back(id, cat("not finished within ", to_seconds(kSessionTotalMax), " s"));
    }
  }
  for (auto& [id, why] : late) end(id, Error(ErrorCode::kTimeout, std::move(why)), now);
}

void Sessions::end(SessionId id, Result<FinishReason> result, Time now,
                   std::vector<float> embedding) {
  const auto it = sessions_.find(id);
  const Session& session = it->second;
  Usage usage;
  usage.prompt_tokens = session.prompt_count;
  usage.completion_tokens = uint32_t(session.tokens.size()) - session.prompt_count;
  if (session.first_token) usage.first_token_s = to_seconds(*session.first_token - session.opened);
  usage.total_s = to_seconds(now - session.opened);
  leave_plan(it->second);
  sessions_.erase(it);
  if (!result.ok()) {
    log_info("session.failed", {{"session", to_string(id)},
                                {"code", error_code_name(result.error().code)},
                                {"why", result.error().message}});
  }
  outbox_.emit(SessionEnd{id, std::move(result), usage, std::move(embedding)});
}

void Sessions::leave_plan(Session& session) {
  if (!session.plan) return;
  for (const transport::StageSpec& stage : session.plan->stages) {
    outbox_.send(stage.node, transport::Close{session.plan->epoch, session.at_stages});
  }
  session.plan.reset();
}

std::vector<SessionView> Sessions::view(Time now) const {
  std::vector<SessionView> list;
  for (const auto& [id, session] : sessions_) {
    list.push_back({id, session.prompt_count,
                    uint32_t(session.tokens.size()) - session.prompt_count,
                    to_seconds(now - session.opened)});
  }
  return list;
}

}  // namespace weft::mesh
