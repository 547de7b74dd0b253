// Constraint: a grammar over a vocabulary. It says which tokens may come next, and takes the one
// that was drawn.
//
// A pushdown automaton whose stacks are interned: a state is the set of stacks that the text so far
// allows, and from each state the next one over a byte is looked up once and kept, as in a lazily
// built automaton. So is the set of tokens that a state allows. A grammar thus costs a walk over
// the vocabulary at each new state, and a look-up where it has been before.
//
// What it keeps is bounded; at a limit it forgets all and begins again from what was drawn, so that
// a cursor is good for as long as its constraint.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "model/grammar.h"
#include "model/token_trie.h"

namespace weft::model {

class Constraint {
 public:
  // Beyond these it forgets what it has kept. An answer that needs more states than the first has
  // twice its own; beyond the second it is kExhausted.
  static constexpr size_t kStatesMax = 8192;
  static constexpr size_t kStatesOfOneMax = 32'768;
  static constexpr size_t kStacksMax = 1 << 18;
  static constexpr size_t kSetsMax = 256;
  // Of one state; more is kExhausted: the grammar is too ambiguous.
  static constexpr size_t kStacksPerStateMax = 1024;
  // Rules within rules; what goes deeper is not allowed.
  static constexpr uint32_t kDepthMax = 512;
  // While one set of tokens is made: new states, and stacks looked at (about a second); more is
  // kExhausted.
  static constexpr size_t kNewStatesMax = 16'384;
  static constexpr size_t kWorkMax = 4'000'000;

  // kInvalid: the grammar names a token that the vocabulary lacks.
  static Result<std::unique_ptr<Constraint>> make(Grammar grammar,
                                                  std::shared_ptr<const TokenTrie> trie);

  // A place in an answer. Copies go on by themselves.
  struct Cursor {
    std::vector<TokenId> drawn;  // so far
    uint32_t state = 0;
    uint32_t generation = 0;  // of the states that `state` is one of; 0: none
  };

  // The tokens that may come next; an end token is one where the text is complete. The reference
  // holds until the next call. kInvalid: none of the vocabulary's tokens may; kExhausted: a limit.
  // One thread at a time.
  Result<const TokenSet*> allowed(Cursor& cursor);
  // Goes on over a token. kInvalid: it was not allowed.
  Result<> advance(Cursor& cursor, TokenId token);
  // Whether the text may end here.
  Result<bool> complete(Cursor& cursor);

 private:
  using StackId = uint32_t;
  static constexpr StackId kNoStack = UINT32_MAX;
  static constexpr int32_t kUnknown = -2, kDead = -1;

  struct Stack {
    uint32_t element;  // that comes next
    uint32_t place;    // within the element's character
    StackId parent;    // what comes after the rule
    uint32_t depth;
    auto operator<=>(const Stack&) const = default;
  };
  struct StackHash {
    size_t operator()(const Stack& stack) const;
  };
  struct State {
    std::vector<StackId> stacks;  // sorted; their tops are characters or tokens
    bool complete = false;
    std::array<int32_t, 256> next;
  };

  Constraint(Grammar grammar, std::shared_ptr<const TokenTrie> trie);
  void forget();
  Result<> bring_up(Cursor& cursor);
  Result<> take(Cursor& cursor, TokenId token);
  // `stacks` are to go on; rules at their tops are written out.
  Result<int32_t> intern_state(std::vector<Stack> stacks, bool complete = false);
  StackId intern_stack(const Stack& stack);
  Result<int32_t> step(uint32_t state, uint8_t byte);
  Result<int32_t> step_over_token(uint32_t state, TokenId token);
  Result<TokenSet> make_set(uint32_t state);
  bool is_full() const { return states_.size() >= states_max_ || stacks_.size() >= kStacksMax; }

  const Grammar grammar_;
  const std::shared_ptr<const TokenTrie> trie_;
  std::vector<TokenId> tokens_;  // of the grammar's token texts
  uint32_t generation_ = 0;
  uint32_t start_ = 0;
  size_t work_ = 0;
  size_t states_max_ = kStatesMax;
  std::vector<Stack> stacks_;
  std::unordered_map<Stack, StackId, StackHash> stack_ids_;
  std::vector<std::unique_ptr<State>> states_;
  std::map<std::vector<StackId>, uint32_t> state_ids_;  // the first is 1 if it may end
  std::unordered_map<uint32_t, TokenSet> sets_;
};

}  // namespace weft::model
