// Order of the steps: biases, repetition penalty, the answer's penalties, what is allowed,
// temperature, top-k, top-p, min-p, one draw. It passes the tokens one by one, the best first, so
// that it mostly ends among those; weights are integers, so that all others need only be a sum.
#include "model/sampler.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "model/token_trie.h"
#include "model/token_weight.h"

namespace weft::model {
namespace {

constexpr float kTemperatureMax = 100;
constexpr float kPenaltyMax = 100;
constexpr float kBiasMost = 1e6f;
// How many candidates are ordered first when the nucleus' size is unknown; four times as many each
// time after.
constexpr size_t kNucleusGuess = 64;

struct Candidate {
  TokenId token;
  double logit;
  uint32_t weight;  // token_weight
};

bool is_better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

Error out_of_range(std::string_view name, double value, std::string_view range) {
  return Error(ErrorCode::kInvalid, cat(name, " is ", value, "; it must be ", range));
}

// Divides positive and multiplies negative logits of the tokens in the window, once each.
void penalize(std::span<double> logits, std::span<const TokenId> history, double penalty) {
  if (penalty == 1) return;
  if (history.size() > kPenaltyWindow) history = history.last(kPenaltyWindow);
  std::vector<TokenId> seen(history.begin(), history.end());
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (const TokenId token : seen) {
    if (token < 0 || size_t(token) >= logits.size()) continue;
    double& logit = logits[size_t(token)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

// The answer's penalties: the part of the history from its first token on.
void penalize_answer(std::span<double> logits, std::span<const TokenId> history,
                     uint64_t position, const SamplingParams& params) {
  if (params.presence_penalty == 0 && params.frequency_penalty == 0) return;
  if (history.size() > kPenaltyWindow) history = history.last(kPenaltyWindow);
  const uint64_t answered = position > params.answer_begin ? position - params.answer_begin : 0;
  if (history.size() > answered) history = history.last(size_t(answered));
  std::map<TokenId, int> counts;
  for (const TokenId token : history) ++counts[token];
  for (const auto& [token, count] : counts) {
    if (token < 0 || size_t(token) >= logits.size()) continue;
    logits[size_t(token)] -=
        double(params.presence_penalty) + double(params.frequency_penalty) * count;
  }
}

// Of the token and the likeliest ones, by the softmax of the logits.
std::vector<TokenLogprob> logprobs_of(std::span<const float> logits, TokenId token,
                                      uint32_t top) {
  const double greatest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float logit : logits) total += std::exp(logit - greatest);
  const double log_total = greatest + std::log(total);
  const auto of = [&](TokenId id) {
    return TokenLogprob{id, float(logits[size_t(id)] - log_total)};
  };
  std::vector<TokenLogprob> all = {of(token)};
  std::vector<TokenId> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = TokenId(i);
  const auto end = order.begin() + std::ptrdiff_t(std::min<size_t>(top, order.size()));
  std::partial_sort(order.begin(), end, order.end(), [&](TokenId a, TokenId b) {
    return logits[size_t(a)] != logits[size_t(b)] ? logits[size_t(a)] > logits[size_t(b)] : a < b;
  });
  for (auto id = order.begin(); id != end; ++id) all.push_back(of(*id));
  return all;
}

uint64_t total_weight(std::span<const Candidate> candidates) {
  uint64_t total = 0;
  for (const Candidate& c : candidates) total += c.weight;
  return total;
}

void keep_top_k(std::vector<Candidate>& candidates, size_t top_k) {
  if (top_k == 0 || top_k >= candidates.size()) return;
  const auto end = candidates.begin() + std::ptrdiff_t(top_k);
  std::partial_sort(candidates.begin(), end, candidates.end(), is_better);
  candidates.erase(end, candidates.end());
}

// The fewest best candidates whose probabilities reach `top_p`; at least one.
void keep_top_p(std::vector<Candidate>& candidates, double top_p) {
  if (top_p >= 1) return;
  const double wanted = top_p * double(total_weight(candidates));
  uint64_t reached = 0;
  size_t ordered = 0;
  for (size_t kept = 0; kept < candidates.size(); ++kept) {
    if (kept == ordered) {  // order some more of the best; each pass costs one look at the rest
      ordered = std::min(candidates.size(), std::max(kNucleusGuess, ordered * 4));
      const auto first = candidates.begin() + std::ptrdiff_t(kept);
      const auto last = candidates.begin() + std::ptrdiff_t(ordered);
      if (last != candidates.end()) std::nth_element(first, last, candidates.end(), is_better);
      std::sort(first, last, is_better);
    }
    reached += candidates[kept].weight;
    if (double(reached) >= wanted) {
      candidates.resize(kept + 1);
      return;
    }
  }
}

// Those at least `min_p` times as likely as the best.
void keep_min_p(std::vector<Candidate>& candidates, double min_p) {
  const double least = min_p * token_weight(0, 1);
  std::erase_if(candidates, [&](const Candidate& c) { return c.weight < least; });
}

// Which of the kept weights, added up in the order of the draw, is drawn.
uint64_t drawn_of(uint64_t total, const SamplingParams& params, uint64_t position) {
  return std::min(uint64_t(uniform_at(params.seed, position) * double(total)), total - 1);
}

}  // namespace

Result<> validate(const SamplingParams& params) {
  // Written so that NaN fails each test.
  if (!(params.temperature >= 0 && params.temperature <= kTemperatureMax)) {
    return out_of_range("temperature", params.temperature, "0 to 100");
  }
  if (!(params.top_p >= 0 && params.top_p <= 1)) {
    return out_of_range("top_p", params.top_p, "0 to 1");
  }
  if (!(params.min_p >= 0 && params.min_p <= 1)) {
    return out_of_range("min_p", params.min_p, "0 to 1");
  }
  if (!(params.repetition_penalty > 0 && params.repetition_penalty <= kPenaltyMax)) {
    return out_of_range("repetition_penalty", params.repetition_penalty, "above 0, at most 100");
  }
  for (const float penalty : {params.presence_penalty, params.frequency_penalty}) {
    if (!(penalty >= -kPenaltyMax && penalty <= kPenaltyMax)) {
      return out_of_range("a presence or frequency penalty", penalty, "-100 to 100");
    }
  }
  if (params.logprobs > kTopLogprobsMax + 1) {
    return out_of_range("top_logprobs", params.logprobs - 1, cat("0 to ", kTopLogprobsMax));
  }
  if (params.logit_bias.size() > kLogitBiasMax) {
    return out_of_range("the number of logit biases", double(params.logit_bias.size()),
                        cat("at most ", kLogitBiasMax));
  }
  for (const LogitBias& bias : params.logit_bias) {
    if (!(std::abs(bias.bias) <= kBiasMost)) {
      return out_of_range("a logit bias", bias.bias, "-1000000 to 1000000");
    }
  }
  return {};
}

namespace {

bool as_they_are(const SamplingParams& params) {
  return !needs_history(params) && params.logit_bias.empty();
}

Error no_number(size_t token, float logit) {
  return Error(ErrorCode::kCorrupt,
               cat("logit ", token, " is ", logit, "; the model or its data is damaged"));
}

// The token, if the first candidates decide it: the best, in their order.
//   more   there are others; the weights of all are `total`
std::optional<TokenId> draw_first(std::vector<Candidate> first, bool more, uint64_t total,
                                  const SamplingParams& params, uint64_t position) {
  if (params.top_k > 0) {
    if (more && params.top_k > first.size()) return std::nullopt;
    first.resize(std::min<size_t>(params.top_k, first.size()));
    more = false;
  }
  if (!more) total = total_weight(first);
  if (params.top_p < 1) {
    const double wanted = double(params.top_p) * double(total);
    uint64_t reached = 0;
    for (size_t kept = 0; kept < first.size(); ++kept) {
      reached += first[kept].weight;
      if (double(reached) < wanted) continue;
      first.resize(kept + 1);
      more = false;
    }
  }
  if (params.min_p > 0) {
    const size_t before = first.size();
    keep_min_p(first, params.min_p);
    if (first.size() < before) more = false;
  }
  if (more && (params.top_p < 1 || params.min_p > 0)) return std::nullopt;
  uint64_t left = drawn_of(more ? total : total_weight(first), params, position);
  for (const Candidate& c : first) {
    if (left < c.weight) return c.token;
    left -= c.weight;
  }
  return std::nullopt;
}

// One of the candidates, the best of which has this logit; a temperature is set. Those beyond the
// first pass in the order of their ids, if all are kept.
TokenId draw_among(std::vector<Candidate> candidates, double best, const SamplingParams& params,
                   uint64_t position) {
  const float scale = weight_scale(params.temperature);
  for (Candidate& c : candidates) c.weight = token_weight(float(best - c.logit), scale);
  std::vector<Candidate> first(std::min(kBestLogitsMax, candidates.size()));
  std::partial_sort_copy(candidates.begin(), candidates.end(), first.begin(), first.end(),
                         is_better);
  const bool more = candidates.size() > first.size();
  const auto token = draw_first(first, more, total_weight(candidates), params, position);
  if (token) return *token;

  keep_top_k(candidates, params.top_k);
  keep_top_p(candidates, params.top_p);
  keep_min_p(candidates, params.min_p);
  const bool by_id = params.top_k == 0 && params.top_p >= 1;
  uint64_t left = drawn_of(total_weight(candidates), params, position);
  const auto passed = [&left](const Candidate& c) {
    if (left < c.weight) return false;
    left -= c.weight;
    return true;
  };
  for (size_t i = 0; by_id && i < first.size(); ++i) {
    if (!passed(first[i])) return first[i].token;
  }
  for (const Candidate& c : candidates) {
    if ((!by_id || is_better(first.back(), c)) && !passed(c)) return c.token;
  }
  return candidates.back().token;  // never: what is drawn is less than the total
}

// The token itself; `params` and `logits` are valid.
TokenId choose(std::span<const float> logits, const SamplingParams& params,
               std::span<const TokenId> history, uint64_t position, const TokenSet* allowed) {
  if (params.temperature == 0 && as_they_are(params) && !allowed) {  // no copy for the usual case
    return TokenId(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  std::vector<double> scores(logits.begin(), logits.end());
  for (const LogitBias& bias : params.logit_bias) {
    if (bias.token >= 0 && size_t(bias.token) < scores.size()) {
      scores[size_t(bias.token)] += double(bias.bias);
    }
  }
  penalize(scores, history, params.repetition_penalty);
  penalize_answer(scores, history, position, params);

  std::vector<Candidate> candidates;
  candidates.reserve(allowed ? allowed->size() : scores.size());
  const auto add = [&](TokenId id) {
    if (size_t(id) < scores.size()) candidates.push_back({id, scores[size_t(id)], 0});
  };
  if (allowed) {
    allowed->each(add);
  } else {
    for (size_t i = 0; i < scores.size(); ++i) add(TokenId(i));
  }
  // The first on a tie: candidates are in order of their ids.
  const Candidate best = *std::max_element(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.logit < b.logit; });
  if (params.temperature == 0) return best.token;
  return draw_among(std::move(candidates), best.logit, params, position);
}

}  // namespace

Result<Drawn> draw(std::span<const float> logits, const SamplingParams& params,
                   std::span<const TokenId> history, uint64_t position, const TokenSet* allowed) {
  WEFT_CHECK(validate(params));
  if (logits.empty()) return Error(ErrorCode::kInvalid, "there are no logits to sample from");
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i])) return no_number(i, logits[i]);
  }
  if (allowed) {
    bool any = false;
    allowed->each([&](TokenId id) { any = any || size_t(id) < logits.size(); });
    if (!any) return Error(ErrorCode::kInvalid, "none of the model's tokens is allowed");
  }
  Drawn drawn;
  drawn.token = choose(logits, params, history, position, allowed);
  if (params.logprobs > 0) drawn.logprobs = logprobs_of(logits, drawn.token, params.logprobs - 1);
  return drawn;
}

BestWanted best_wanted(const SamplingParams& params, uint32_t vocab_size) {
  if (!as_they_are(params) || params.constrained || params.logprobs > 0) return {};
  if (params.temperature == 0) return {1, false};
  const uint32_t count = params.top_k > 0 ? params.top_k : uint32_t(kBestLogitsMax);
  if (count > kBestLogitsMax || count >= vocab_size) return {};
  return {count, params.top_k == 0};
}

Result<std::optional<TokenId>> draw_best(std::span<const TokenLogit> best, uint64_t total,
                                         const SamplingParams& params, uint64_t position) {
  WEFT_CHECK(validate(params));
  if (best.empty()) return Error(ErrorCode::kInvalid, "there are no logits to sample from");
  const float scale = weight_scale(params.temperature);
  std::vector<Candidate> first;
  for (const TokenLogit& one : best) {
    if (!std::isfinite(one.logit)) return no_number(size_t(one.token), one.logit);
    first.push_back({one.token, double{one.logit}, token_weight(best[0].logit - one.logit, scale)});
  }
  if (params.temperature == 0) return std::optional(best[0].token);
  return draw_first(std::move(first), params.top_k == 0, total, params, position);
}

Result<TokenId> sample(std::span<const float> logits, const SamplingParams& params,
                       std::span<const TokenId> history, uint64_t position) {
  WEFT_TRY(const Drawn drawn, draw(logits, params, history, position));
  return drawn.token;
}

}  // namespace weft::model
