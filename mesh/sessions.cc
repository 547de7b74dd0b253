#include "mesh/sessions.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "mesh/checks.h"
#include "mesh/limits.h"
#include "mesh/stage.h"

namespace weft::mesh {

Result<SessionId> Sessions::open(GenerateRequest request, const std::string& why_none, Time now) {
  if (!plan_) return Error(ErrorCode::kUnavailable, why_none);
  if (sessions_.size() >= kSessionsMax) {
    return Error(ErrorCode::kExhausted,
                 cat("all ", kSessionsMax, " streams of this node are in use; try again later"));
  }
  if (request.tokens.empty()) return Error(ErrorCode::kInvalid, "the prompt is empty");
  if (request.end_tokens.size() > kEndTokensMax) {
    return Error(ErrorCode::kInvalid, cat("more than ", kEndTokensMax, " end tokens"));
  }
  WEFT_CHECK(check_sampling(request.sampling));
  const uint32_t capacity = std::min(plan_->context_length, plan_->kv_tokens);
  if (request.tokens.size() >= capacity) {
    return Error(ErrorCode::kInvalid,
                 cat("the prompt has ", request.tokens.size(), " tokens, the context has room for ",
                     capacity, " with the answer"));
  }
  for (const TokenId token : request.tokens) {
    if (token < 0 || uint32_t(token) >= plan_->vocab_size) {
      return Error(ErrorCode::kInvalid,
                   cat("token ", token, " is not in the vocabulary of ", plan_->vocab_size));
    }
  }
  SessionId id{random_.next()};
  while (id.value == 0 || sessions_.contains(id)) id.value = random_.next();
  Session& session = sessions_[id];
  session.prompt_count = uint32_t(request.tokens.size());
  session.tokens = std::move(request.tokens);
  session.capacity = capacity;
  session.limit = request.max_tokens == 0
                      ? capacity
                      : uint32_t(std::min<uint64_t>(
                            capacity, uint64_t{session.prompt_count} + request.max_tokens));
  session.sampling = request.sampling;
  session.end_tokens = std::move(request.end_tokens);
  session.opened = session.last_token = now;
  send_rows(id, session);
  return id;
}

// Sends what may be on its way: prompt chunks within the window, or the newest token.
void Sessions::send_rows(SessionId id, Session& session) {
  const uint32_t window = kPrefillChunk * kWindowChunksPerStage * uint32_t(plan_->stages.size());
  while (session.sent < session.tokens.size() && session.sent - session.passed < window) {
    transport::Step step;
    step.epoch = plan_->epoch;
    step.session = id;
    step.head = outbox_.self();
    step.first_position = session.sent;
    step.token_count = std::min(kPrefillChunk, uint32_t(session.tokens.size()) - session.sent);
    step.reserve_tokens = session.limit;
    const auto first = session.tokens.begin() + session.sent;
    const auto last = first + step.token_count;
    step.tokens.assign(first, last);
    if (last == session.tokens.end()) {
      step.sample = true;
      step.sampling = session.sampling;
      if (session.sampling.repetition_penalty != 1) {
        const size_t count = std::min(transport::kHistoryMax, session.tokens.size());
        step.history.assign(session.tokens.end() - count, session.tokens.end());
      }
    }
    session.sent += step.token_count;
    outbox_.send(plan_->stages.front().node, std::move(step));
  }
}

void Sessions::on_token(NodeId from, const transport::Token& token, Time now) {
  const auto it = sessions_.find(token.session);
  if (it == sessions_.end() || token.epoch != plan_->epoch) return;
  if (from != plan_->stages.back().node) return;
  Session& session = it->second;
  if (token.token == kNoToken) {
    if (token.position <= session.passed || token.position > session.sent) return;
    session.passed = token.position;
    outbox_.emit(SessionProgress{it->first, std::min(session.passed, session.prompt_count),
                                 session.prompt_count});
    return send_rows(it->first, session);
  }
  // A token is drawn from the newest row, and from that one only: anything else is a repetition.
  if (token.position != session.tokens.size() || session.sent != session.tokens.size()) return;
  if (token.token < 0 || uint32_t(token.token) >= plan_->vocab_size) {
    return end(it->first,
               Error(ErrorCode::kInternal, "the last stage drew a token beyond the vocabulary"),
               now);
  }
  session.passed = token.position;
  if (!session.first_token) session.first_token = now;
  session.last_token = now;
  const auto& ends = session.end_tokens;
  if (std::find(ends.begin(), ends.end(), token.token) != ends.end()) {
    return end(it->first, FinishReason::kStop, now);
  }
  session.tokens.push_back(token.token);
  outbox_.emit(TokenOut{it->first, token.position, token.token});
  if (session.tokens.size() >= session.limit) return end(it->first, FinishReason::kLength, now);
  send_rows(it->first, session);
}

void Sessions::on_refused(NodeId from, const transport::Refused& refused, Time now) {
  if (!sessions_.contains(refused.session) || refused.epoch != plan_->epoch) return;
  if (!from_stage(from) && from != outbox_.self()) return;  // itself: a step could not be sent
  end(refused.session, Error(refused.code, printable(refused.text, 300)), now);
}

void Sessions::on_stale(NodeId from, const transport::Stale& stale, Time now) {
  if (!sessions_.contains(stale.session) || !from_stage(from)) return;
  end(stale.session,
      Error(ErrorCode::kUnavailable, cat("the plan was replaced (epoch ", to_string(plan_->epoch),
                                         " by ", to_string(stale.epoch), "); ask again")),
      now);
}

void Sessions::cancel(SessionId session, Time now) {
  if (!sessions_.contains(session)) return;
  end(session, Error(ErrorCode::kCancelled, "cancelled by the client"), now);
}

void Sessions::on_plan_lost(const std::string& why, Time now) {
  while (!sessions_.empty()) {
    end(sessions_.begin()->first, Error(ErrorCode::kUnavailable, why), now);
  }
  plan_.reset();
}

void Sessions::tick(Time now) {
  std::vector<std::pair<SessionId, std::string>> late;
  for (const auto& [id, session] : sessions_) {
    if (!session.first_token && now - session.opened >= kFirstTokenWithin) {
      late.emplace_back(id, cat("no first token within ", to_seconds(kFirstTokenWithin), " s"));
    } else if (session.first_token && now - session.last_token >= kTokenGapMax) {
      late.emplace_back(id, cat("no token for ", to_seconds(kTokenGapMax), " s"));
    } else if (now - session.opened >= kSessionTotalMax) {
      late.emplace_back(id, cat("not finished within ", to_seconds(kSessionTotalMax), " s"));
    }
  }
  for (auto& [id, why] : late) end(id, Error(ErrorCode::kTimeout, std::move(why)), now);
}

void Sessions::end(SessionId id, Result<FinishReason> result, Time now) {
  const auto it = sessions_.find(id);
  const Session& session = it->second;
  Usage usage;
  usage.prompt_tokens = session.prompt_count;
  usage.completion_tokens = uint32_t(session.tokens.size()) - session.prompt_count;
  if (session.first_token) usage.first_token_s = to_seconds(*session.first_token - session.opened);
  usage.total_s = to_seconds(now - session.opened);
  sessions_.erase(it);
  for (const transport::StageSpec& stage : plan_->stages) {
    outbox_.send(stage.node, transport::Close{plan_->epoch, id});
  }
  if (!result.ok()) {
    log_info("session.failed", {{"session", to_string(id)},
                                {"code", error_code_name(result.error().code)},
                                {"why", result.error().message}});
  }
  outbox_.emit(SessionEnd{id, std::move(result), usage});
}

bool Sessions::from_stage(NodeId from) const {
  return stage_index(*plan_, from).has_value();
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
