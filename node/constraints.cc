#include "node/constraints.h"

#include <algorithm>

#include "base/text.h"
#include "model/tokenizer.h"

namespace weft::node {

Result<std::shared_ptr<model::Constraint>> Constraints::find(const model::GgufFile& file,
                                                             const std::string& text) {
  const auto known = std::find_if(known_.begin(), known_.end(),
                                  [&](const Known& one) { return one.text == text; });
  if (known != known_.end()) {
    std::rotate(known_.begin(), known, known + 1);
    return known_.front().constraint;
  }
  if (!trie_) {
    WEFT_TRY(const model::Tokenizer tokenizer, model::Tokenizer::from_gguf(file));
    trie_ = std::make_shared<const model::TokenTrie>(tokenizer);
  }
  WEFT_TRY(model::Grammar grammar, model::Grammar::parse(text));
  WEFT_TRY(auto made, model::Constraint::make(std::move(grammar), trie_));
  known_.push_front({text, std::move(made)});
  if (known_.size() > kGrammarsMax) known_.pop_back();
  return known_.front().constraint;
}

Result<model::Drawn> Constraints::draw(const model::GgufFile& file, SessionId session,
                                       const RowScores& scores, const SamplingParams& params,
                                       std::span<const TokenId> history, uint64_t position) {
  if (scores.logits.empty()) {
    WEFT_TRY(const auto token, model::draw_best(scores.best, scores.total, params, position));
    if (!token) return Error(ErrorCode::kInternal, "a token is left open, and its logits are away");
    return model::Drawn{*token, {}};
  }
  if (!params.constrained) return model::draw(scores.logits, params, history, position);
  if (params.grammar) {
    Place place;
    WEFT_TRY(place.constraint, find(file, *params.grammar));
    place.cursor.drawn = params.drawn;
    place.next_position = position;
    places_[session] = std::move(place);
  }
  const auto found = places_.find(session);
  if (found == places_.end() || found->second.next_position != position) {
    return Error(ErrorCode::kStale, cat("the answer's place in its grammar was lost at position ",
                                        position, "; ask again"));
  }
  Place& place = found->second;
  WEFT_TRY(const model::TokenSet* allowed, place.constraint->allowed(place.cursor));
  WEFT_TRY(model::Drawn drawn, model::draw(scores.logits, params, history, position, allowed));
  WEFT_CHECK(place.constraint->advance(place.cursor, drawn.token));
  place.next_position = position + 1;
  return drawn;
}

}  // namespace weft::node
