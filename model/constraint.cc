#include "model/constraint.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace weft::model {
namespace {

using Kind = Grammar::Element::Kind;

// Stacks that one step may write out, before equal ones are joined.
constexpr size_t kExpansionsMax = 65'536;

Error too_ambiguous() {
  return Error(ErrorCode::kExhausted,
               "the grammar is too ambiguous: too many ways to read the same text; make its "
               "alternatives begin differently");
}

}  // namespace

size_t Constraint::StackHash::operator()(const Stack& stack) const {
  constexpr uint64_t kSpread = 0x9E3779B97F4A7C15;
  uint64_t hash = stack.element;
  for (const uint64_t part : {stack.place, stack.parent}) {
    hash = (hash ^ part) * kSpread;
    hash ^= hash >> 32;
  }
  return size_t(hash);
}

Constraint::Constraint(Grammar grammar, std::shared_ptr<const TokenTrie> trie)
    : grammar_(std::move(grammar)), trie_(std::move(trie)) {}

Result<std::unique_ptr<Constraint>> Constraint::make(Grammar grammar,
                                                     std::shared_ptr<const TokenTrie> trie) {
  std::unique_ptr<Constraint> made(new Constraint(std::move(grammar), std::move(trie)));
  for (const std::string& text : made->grammar_.token_texts()) {
    const auto token = made->trie_->find(text);
    if (!token) {
      return Error(ErrorCode::kInvalid,
                   cat("grammar: the vocabulary has no token <", printable(text, 80), ">"));
    }
    made->tokens_.push_back(*token);
  }
  return made;
}

void Constraint::forget() {
  stacks_.clear();
  stack_ids_.clear();
  states_.clear();
  state_ids_.clear();
  sets_.clear();
  ++generation_;
}

Constraint::StackId Constraint::intern_stack(const Stack& stack) {
  const auto [found, is_new] = stack_ids_.try_emplace(stack, StackId(stacks_.size()));
  if (is_new) stacks_.push_back(stack);
  return found->second;
}

Result<int32_t> Constraint::intern_state(std::vector<Stack> open, bool complete) {
  std::vector<StackId> tops;
  std::set<Stack> seen(open.begin(), open.end());
  const auto go_on = [&](const Stack& stack) {
    if (seen.insert(stack).second) open.push_back(stack);
  };
  while (!open.empty()) {
    if (seen.size() > kExpansionsMax || ++work_ > kWorkMax) return too_ambiguous();
    const Stack stack = open.back();
    open.pop_back();
    const Grammar::Element& element = grammar_.element(stack.element);
    if (element.kind == Kind::kEnd) {
      if (stack.parent == kNoStack) {
        complete = true;
      } else {
        go_on(stacks_[stack.parent]);
      }
    } else if (element.kind == Kind::kRule) {
      // A rule at an alternative's end needs no way back: lists of any length stay flat.
      const bool tail = grammar_.element(stack.element + 1).kind == Kind::kEnd;
      if (!tail && stack.depth >= kDepthMax) continue;
      const StackId parent =
          tail ? stack.parent : intern_stack({stack.element + 1, 0, stack.parent, stack.depth});
      const uint32_t depth = stack.depth + (tail ? 0 : 1);
      for (const uint32_t start : grammar_.alternatives(element.index)) {
        go_on({start, 0, parent, depth});
      }
    } else {
      tops.push_back(intern_stack(stack));
    }
  }
  std::sort(tops.begin(), tops.end());
  tops.erase(std::unique(tops.begin(), tops.end()), tops.end());
  if (tops.empty() && !complete) return kDead;
  if (tops.size() > kStacksPerStateMax) return too_ambiguous();

  std::vector<StackId> key = {complete ? 1u : 0u};
  key.insert(key.end(), tops.begin(), tops.end());
  const auto [found, is_new] = state_ids_.try_emplace(std::move(key), uint32_t(states_.size()));
  if (is_new) {
    auto state = std::make_unique<State>();
    state->stacks = std::move(tops);
    state->complete = complete;
    state->next.fill(kUnknown);
    states_.push_back(std::move(state));
  }
  return int32_t(found->second);
}

Result<int32_t> Constraint::step(uint32_t from, uint8_t byte) {
  State& state = *states_[from];
  if (state.next[byte] != kUnknown) return state.next[byte];
  std::vector<Stack> open;
  for (const StackId id : state.stacks) {
    Stack stack = stacks_[id];
    const Grammar::Element& element = grammar_.element(stack.element);
    if (element.kind != Kind::kChars) continue;
    const uint16_t place = grammar_.set(element.index).step(uint16_t(stack.place), byte);
    if (place == CharSet::kNone) continue;
    if (place == CharSet::kDone) {
      ++stack.element;
      stack.place = 0;
    } else {
      stack.place = place;
    }
    open.push_back(stack);
  }
  int32_t next = kDead;
  if (!open.empty()) {
    WEFT_TRY(next, intern_state(std::move(open)));
  }
  states_[from]->next[byte] = next;
  return next;
}

Result<int32_t> Constraint::step_over_token(uint32_t from, TokenId token) {
  // A token may be named by the grammar, or be spelt out, or both.
  std::vector<Stack> open;
  for (const StackId id : states_[from]->stacks) {
    Stack stack = stacks_[id];
    const Grammar::Element& element = grammar_.element(stack.element);
    if (element.kind != Kind::kToken || tokens_[element.index] != token) continue;
    ++stack.element;
    open.push_back(stack);
  }
  const std::string& piece = trie_->piece(token);
  int32_t spelt = piece.empty() ? kDead : int32_t(from);
  for (size_t i = 0; i < piece.size() && spelt != kDead; ++i) {
    WEFT_TRY(spelt, step(uint32_t(spelt), uint8_t(piece[i])));
  }
  if (open.empty()) return spelt;
  bool complete = false;
  if (spelt != kDead) {
    complete = states_[size_t(spelt)]->complete;
    for (const StackId id : states_[size_t(spelt)]->stacks) open.push_back(stacks_[id]);
  }
  return intern_state(std::move(open), complete);
}

Result<> Constraint::take(Cursor& cursor, TokenId token) {
  const auto& ends = trie_->end_tokens();
  if (states_[cursor.state]->complete && std::find(ends.begin(), ends.end(), token) != ends.end()) {
    return {};
  }
  int32_t next = kDead;
  if (token >= 0 && uint32_t(token) < trie_->vocab_size()) {
    WEFT_TRY(next, step_over_token(cursor.state, token));
  }
  if (next == kDead) {
    return Error(ErrorCode::kInvalid, cat("token ", token, " does not fit the grammar"));
  }
  cursor.state = uint32_t(next);
  return {};
}

// Puts the cursor among the states there are, by its tokens if they were forgotten meanwhile.
Result<> Constraint::bring_up(Cursor& cursor) {
  work_ = 0;
  if (generation_ == 0 || is_full()) forget();
  if (states_.empty()) {
    std::vector<Stack> open;
    for (const uint32_t start : grammar_.alternatives(grammar_.root())) {
      open.push_back({start, 0, kNoStack, 0});
    }
    WEFT_TRY(const int32_t start, intern_state(std::move(open)));
    // Every rule can be fulfilled, so the beginning is no dead end.
    WEFT_ASSERT(start != kDead);
    start_ = uint32_t(start);
  }
  if (cursor.generation == generation_) return {};
  cursor.state = start_;
  cursor.generation = generation_;
  for (const TokenId token : cursor.drawn) {
    WEFT_CHECK(take(cursor, token));
    if (states_.size() > kStatesOfOneMax || stacks_.size() > kStacksMax) {
      return Error(ErrorCode::kExhausted,
                   "the grammar has too many states; count to smaller numbers in it");
    }
  }
  states_max_ = std::max(kStatesMax, 2 * states_.size());
  return {};
}

Result<TokenSet> Constraint::make_set(uint32_t from) {
  TokenSet set(trie_->vocab_size());
  const std::vector<TokenTrie::Node>& nodes = trie_->nodes();
  std::array<uint32_t, TokenTrie::kTokenBytesMax + 1> path;  // the state at each depth
  path[0] = from;
  const size_t states_before = states_.size();
  for (uint32_t at = 1; at < nodes.size();) {
    const TokenTrie::Node& node = nodes[at];
    const uint32_t before = path[node.depth - 1];
    int32_t next = states_[before]->next[node.byte];
    if (next == kUnknown) {
      WEFT_TRY(next, step(before, node.byte));
      if (states_.size() - states_before > kNewStatesMax) return too_ambiguous();
    }
    if (next == kDead) {
      at = node.end;
      continue;
    }
    path[node.depth] = uint32_t(next);
    for (TokenId token = node.token; token != kNoToken; token = trie_->next_same(token)) {
      set.add(token);
    }
    ++at;
  }
  for (const StackId id : states_[from]->stacks) {
    const Grammar::Element& element = grammar_.element(stacks_[id].element);
    if (element.kind == Kind::kToken) set.add(tokens_[element.index]);
  }
  if (states_[from]->complete) {
    for (const TokenId token : trie_->end_tokens()) set.add(token);
  }
  return set;
}

Result<const TokenSet*> Constraint::allowed(Cursor& cursor) {
  WEFT_CHECK(bring_up(cursor));
  auto found = sets_.find(cursor.state);
  if (found == sets_.end()) {
    WEFT_TRY(TokenSet made, make_set(cursor.state));
    if (sets_.size() >= kSetsMax) sets_.clear();
    found = sets_.emplace(cursor.state, std::move(made)).first;
  }
  if (found->second.size() == 0) {
    return Error(ErrorCode::kInvalid,
                 "no token of the vocabulary fits the grammar after this text");
  }
  return &found->second;
}

Result<> Constraint::advance(Cursor& cursor, TokenId token) {
  WEFT_CHECK(bring_up(cursor));
  WEFT_CHECK(take(cursor, token));
  cursor.drawn.push_back(token);
  return {};
}

Result<bool> Constraint::complete(Cursor& cursor) {
  WEFT_CHECK(bring_up(cursor));
  return states_[cursor.state]->complete;
}

}  // namespace weft::model
