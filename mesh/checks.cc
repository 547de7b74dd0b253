#include "mesh/checks.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "base/text.h"
#include "mesh/limits.h"

namespace weft::mesh {
namespace {

using transport::Propose;
using transport::Step;

constexpr uint64_t kBytesPlausible = uint64_t{1} << 48;
constexpr uint32_t kTokensPlausible = 1u << 24;  // vocabulary, context, cache
constexpr double kSpeedPlausible = 1e18;
constexpr size_t kSpeedsMax = 64;

Error invalid(std::string text) {
  return Error(ErrorCode::kInvalid, std::move(text));
}

bool plausible(double value) {
  return std::isfinite(value) && value >= 0 && value < kSpeedPlausible;
}

bool plausible(const transport::LayerShape& shape) {
  return shape.bytes < kBytesPlausible && shape.parameters < kBytesPlausible &&
         shape.idle_bytes <= shape.bytes;
}

Result<> check_tokens(const std::vector<TokenId>& tokens, uint32_t vocab_size) {
  for (const TokenId token : tokens) {
    if (token < 0 || uint32_t(token) >= vocab_size) {
      return invalid(cat("token ", token, " is not in the vocabulary of ", vocab_size));
    }
  }
  return {};
}

Result<> check_offer(const transport::ModelOffer& offer) {
  if (offer.layers.empty() || offer.layers.size() > transport::kLayersMax) {
    return invalid(cat("a model of ", offer.layers.size(), " layers"));
  }
  if (offer.hidden_dim == 0 || rows_per_step(offer.hidden_dim) == 0) {
    return invalid(cat("a hidden size of ", offer.hidden_dim));
  }
  if (offer.vocab_size == 0 || offer.vocab_size > kTokensPlausible || offer.context_length == 0 ||
      offer.context_length > kTokensPlausible) {
    return invalid(
        cat("a vocabulary of ", offer.vocab_size, " and a context of ", offer.context_length));
  }
  const bool layers_ok = std::all_of(offer.layers.begin(), offer.layers.end(),
                                     [](const auto& layer) { return plausible(layer); });
  if (!layers_ok || !plausible(offer.embedding) || !plausible(offer.head) ||
      offer.kv_bytes_per_token_layer > kTokensPlausible || offer.file_bytes >= kBytesPlausible ||
      offer.scratch_row_bytes > kTokensPlausible || offer.tied_bytes > offer.embedding.bytes ||
      offer.scratch_position_bytes > kTokensPlausible) {
    return invalid("a model with layers of implausible size");
  }
  return {};
}

}  // namespace

Result<> check_propose(const Propose& plan) {
  if (plan.epoch.value == 0) return invalid("a plan without an epoch");
  if (plan.stages.empty() || plan.stages.size() > transport::kStagesMax) {
    return invalid(cat("a plan of ", plan.stages.size(), " stages"));
  }
  if (plan.layer_count == 0 || plan.layer_count > transport::kLayersMax) {
    return invalid(cat("a plan of ", plan.layer_count, " layers"));
  }
  if (plan.hidden_dim == 0 || rows_per_step(plan.hidden_dim) == 0) {
    return invalid(cat("a hidden size of ", plan.hidden_dim, " does not fit a frame"));
  }
  for (const uint32_t size : {plan.vocab_size, plan.context_length, plan.kv_tokens}) {
    if (size == 0 || size > kTokensPlausible) return invalid(cat("a plan with a size of ", size));
  }
  uint32_t next = 0;
  std::set<NodeId> nodes;
  for (const transport::StageSpec& stage : plan.stages) {
    if (stage.first_layer != next || stage.last_layer <= stage.first_layer ||
        stage.last_layer > plan.layer_count) {
      return invalid(cat("a stage of layers ", stage.first_layer, " to ", stage.last_layer,
                         " where layer ", next, " is next"));
    }
    next = stage.last_layer;
    if (stage.node.is_zero() || !nodes.insert(stage.node).second) {
      return invalid("a plan that names a node twice, or none");
    }
  }
  if (next != plan.layer_count) {
    return invalid(cat("stages end at layer ", next, " of ", plan.layer_count));
  }
  return {};
}

Result<> check_sampling(const SamplingParams& sampling) {
  const bool ok = std::isfinite(sampling.temperature) && sampling.temperature >= 0 &&
                  std::isfinite(sampling.top_p) && sampling.top_p > 0 && sampling.top_p <= 1 &&
                  std::isfinite(sampling.min_p) && sampling.min_p >= 0 && sampling.min_p <= 1 &&
                  std::isfinite(sampling.repetition_penalty) && sampling.repetition_penalty > 0 &&
                  std::isfinite(sampling.presence_penalty) &&
                  std::isfinite(sampling.frequency_penalty) &&
                  sampling.logprobs <= kTopLogprobsMax + 1 &&
                  sampling.logit_bias.size() <= kLogitBiasMax &&
                  std::all_of(sampling.logit_bias.begin(), sampling.logit_bias.end(),
                              [](const LogitBias& bias) { return std::isfinite(bias.bias); });
  if (!ok) {
    return invalid(
        "sampling parameters out of range: temperature >= 0, top_p in (0, 1], "
        "min_p in [0, 1], repetition_penalty > 0, finite penalties and biases");
  }
  if (sampling.grammar && sampling.grammar->size() > kGrammarBytesMax) {
    return invalid(cat("a grammar of ", sampling.grammar->size(), " bytes"));
  }
  if (sampling.drawn.size() > kDrawnMax) {
    return invalid(cat(sampling.drawn.size(), " tokens with a grammar"));
  }
  return {};
}

Result<> check_step(const Step& step, const Propose& plan, size_t index, NodeId from) {
  const NodeId feeder = index == 0 ? step.head : plan.stages[index - 1].node;
  if (from != feeder) return invalid("rows from a node that does not feed this stage");
  if (step.session.value == 0 || step.head.is_zero()) return invalid("rows without a session");
  const uint32_t rows = step.token_count;
  if (rows == 0 || rows > kPrefillChunk) return invalid(cat("a step of ", rows, " rows"));
  if (uint64_t{step.first_position} + rows > plan.context_length) {
    return invalid(cat("positions ", step.first_position, "+", rows, " are beyond the context of ",
                       plan.context_length));
  }
  if (step.reserve_tokens > plan.context_length) {
    return invalid(cat("a reservation of ", step.reserve_tokens, " positions"));
  }
  if (step.history.size() > transport::kHistoryMax) return invalid("too long a history");
  WEFT_CHECK(check_tokens(step.history, plan.vocab_size));
  WEFT_CHECK(check_sampling(step.sampling));
  WEFT_CHECK(check_tokens(step.sampling.drawn, plan.vocab_size));
  if (index == 0) {
    if (step.tokens.size() != rows || !step.hidden.empty()) {
      return invalid(cat(step.tokens.size(), " tokens for ", rows, " rows"));
    }
    return check_tokens(step.tokens, plan.vocab_size);
  }
  if (!step.tokens.empty() ||
      step.hidden.size() != uint64_t{rows} * plan.hidden_dim * sizeof(float)) {
    return invalid(
        cat(step.hidden.size(), " bytes of activations for ", rows, " rows of ", plan.hidden_dim));
  }
  if (reinterpret_cast<uintptr_t>(step.hidden.view().data()) % alignof(float) != 0) {
    return invalid("misaligned activations");
  }
  for (const float value : step.hidden.floats()) {
    if (!std::isfinite(value)) return invalid("activations that are not finite");
  }
  return {};
}

Result<> check_profile(const transport::Profile& profile) {
  if (profile.memory_bytes >= kBytesPlausible) return invalid("implausibly much memory");
  if (!plausible(profile.layer_overhead_s)) return invalid("an implausible layer overhead");
  if (profile.fast_memory_bytes > profile.memory_bytes) {
    return invalid("more fast memory than memory");
  }
  if (profile.offers.size() > transport::kOffersMax) return invalid("too many models");
  for (const auto* speeds : {&profile.speeds, &profile.slow_speeds}) {
    if (speeds->size() > kSpeedsMax) return invalid("too many speeds");
    for (const transport::TypeSpeed& speed : *speeds) {
      if (!plausible(speed.decode_bytes_per_s) || !plausible(speed.prefill_flops)) {
        return invalid("an implausible speed");
      }
    }
  }
  for (const transport::ModelOffer& offer : profile.offers) WEFT_CHECK(check_offer(offer));
  return {};
}

Result<> check_beat(const transport::Beat& beat) {
  if (beat.links.size() > transport::kAddressesMax * 4) return invalid("too many links");
  if (!plausible(beat.decode_tokens_per_s)) return invalid("an implausible rate");
  for (const transport::LinkMeasure& link : beat.links) {
    if (!plausible(link.round_trip_s) || !plausible(link.bytes_per_s)) {
      return invalid("an implausible link");
    }
  }
  return {};
}

std::optional<size_t> stage_index(const Propose& plan, NodeId node) {
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    if (plan.stages[i].node == node) return i;
  }
  return std::nullopt;
}

}  // namespace weft::mesh
