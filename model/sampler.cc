// Order of the steps: repetition penalty, temperature, top-k, top-p, min-p, one draw.
#include "model/sampler.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "base/text.h"

namespace weft::model {
namespace {

constexpr float kTemperatureMax = 100;
constexpr float kPenaltyMax = 100;
// How many candidates are ordered first when the nucleus' size is unknown; four times as many each
// time after.
constexpr size_t kNucleusGuess = 64;

struct Candidate {
  TokenId token;
  double logit;
  double weight;  // exp(logit - greatest logit)
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

double total_weight(std::span<const Candidate> candidates) {
  double total = 0;
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
  const double wanted = top_p * total_weight(candidates);
  double reached = 0;
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
    if (reached >= wanted) {
      candidates.resize(kept + 1);
      return;
    }
  }
}

// Those at least `min_p` times as likely as the best, whose weight is 1.
void keep_min_p(std::vector<Candidate>& candidates, double min_p) {
  if (min_p > 0) std::erase_if(candidates, [&](const Candidate& c) { return c.weight < min_p; });
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
  return {};
}

Result<TokenId> sample(std::span<const float> logits, const SamplingParams& params,
                       std::span<const TokenId> history, uint64_t position) {
  WEFT_CHECK(validate(params));
  if (logits.empty()) return Error(ErrorCode::kInvalid, "there are no logits to sample from");
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i])) {
      return Error(ErrorCode::kCorrupt,
                   cat("logit ", i, " is ", logits[i], "; the model or its data is damaged"));
    }
  }
  if (params.temperature == 0 && params.repetition_penalty == 1) {  // no copy for the usual case
    return TokenId(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  std::vector<double> scores(logits.begin(), logits.end());
  penalize(scores, history, params.repetition_penalty);
  const auto best = std::max_element(scores.begin(), scores.end());  // the first on a tie
  if (params.temperature == 0) return TokenId(best - scores.begin());

  const double greatest = *best;
  std::vector<Candidate> candidates(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    candidates[i] = {TokenId(i), scores[i],
                     std::exp((scores[i] - greatest) / double(params.temperature))};
  }
  keep_top_k(candidates, params.top_k);
  keep_top_p(candidates, params.top_p);
  keep_min_p(candidates, params.min_p);

  const double drawn = uniform_at(params.seed, position) * total_weight(candidates);
  double passed = 0;
  for (const Candidate& c : candidates) {
    passed += c.weight;
    if (drawn < passed) return c.token;
  }
  return candidates.back().token;  // sums rounded below the total
}

}  // namespace weft::model
