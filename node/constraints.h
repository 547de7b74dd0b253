// Constraints: the grammars of the answers that this node draws tokens for, and how far each answer
// has come. One thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "base/id.h"
#include "base/result.h"
#include "base/sampling.h"
#include "kernels/slice.h"
#include "model/constraint.h"
#include "model/gguf.h"
#include "model/sampler.h"

namespace weft::node {

// What a token is drawn from: all of a row's logits, or what model::best_wanted says.
struct RowScores {
  // Of the last sequence's last row, which was to have the best only or all.
  static RowScores of_last(const kernels::SliceOutput& output) {
    if (output.others.empty()) return {output.logits};
    return {output.others.back().logits, output.best, output.others.back().total};
  }

  std::span<const float> logits;
  std::span<const TokenLogit> best = {};  // enough if there are no logits
  uint64_t total = 0;
};

class Constraints {
 public:
  // Grammars that are kept for the next answer, with the states that were met.
  static constexpr size_t kGrammarsMax = 8;

  // Draws a session's token for `position`, as its parameters say; model::draw or draw_best for
  // those without a grammar. The vocabulary is read at the first grammar (some tenths of a second).
  //   file  the model's, with its vocabulary
  // kInvalid: the grammar is wrong, or the vocabulary has nothing that goes on with it; kStale: the
  // grammar's place was lost, as another token is due.
  Result<model::Drawn> draw(const model::GgufFile& file, SessionId session,
                            const RowScores& scores, const SamplingParams& params,
                            std::span<const TokenId> history, uint64_t position);
  void release(SessionId session) { places_.erase(session); }

 private:
  struct Known {
    std::string text;
    std::shared_ptr<model::Constraint> constraint;
  };
  struct Place {
    std::shared_ptr<model::Constraint> constraint;
    model::Constraint::Cursor cursor;
    uint64_t next_position = 0;
  };

  Result<std::shared_ptr<model::Constraint>> find(const model::GgufFile& file,
                                                  const std::string& text);

  std::shared_ptr<const model::TokenTrie> trie_;
  std::deque<Known> known_;  // the newest first
  std::map<SessionId, Place> places_;
};

}  // namespace weft::node
