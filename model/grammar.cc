#include "model/grammar.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace weft::model {

using Kind = Grammar::Element::Kind;

// Counts down the elements of each alternative that are not known to be fulfillable yet: linear in
// the grammar's size.
std::vector<bool> Grammar::fulfillable(bool by_nothing) const {
  struct Alternative {
    uint32_t rule;
    uint32_t left = 0;
  };
  std::vector<Alternative> alternatives;
  std::vector<std::vector<uint32_t>> used_in(rules_.size());  // alternatives that name the rule
  std::vector<uint32_t> done;
  std::vector<bool> found(rules_.size());
  const auto fulfil = [&](uint32_t rule) {
    if (found[rule]) return;
    found[rule] = true;
    done.push_back(rule);
  };
  for (uint32_t rule = 0; rule < rules_.size(); ++rule) {
    for (const uint32_t start : rules_[rule]) {
      const auto index = uint32_t(alternatives.size());
      alternatives.push_back({rule});
      for (uint32_t at = start; elements_[at].kind != Kind::kEnd; ++at) {
        if (elements_[at].kind == Kind::kRule) {
          ++alternatives[index].left;
          used_in[elements_[at].index].push_back(index);
        } else if (by_nothing) {
          ++alternatives[index].left;  // a character is never nothing
        }
      }
      if (alternatives[index].left == 0) fulfil(rule);
    }
  }
  for (size_t i = 0; i < done.size(); ++i) {
    for (const uint32_t index : used_in[done[i]]) {
      if (--alternatives[index].left == 0) fulfil(alternatives[index].rule);
    }
  }
  return found;
}

// A rule that reaches itself before a character was taken would never end. A repetition's own name
// at its end is no such case: it begins where the item before it took nothing, which changes
// nothing.
Result<> Grammar::check_left_recursion() const {
  const std::vector<bool> nullable = fulfillable(true);
  std::vector<std::vector<uint32_t>> first(rules_.size());  // rules that one may begin with
  for (uint32_t rule = 0; rule < rules_.size(); ++rule) {
    for (const uint32_t start : rules_[rule]) {
      for (uint32_t at = start; elements_[at].kind == Kind::kRule; ++at) {
        const uint32_t named = elements_[at].index;
        const bool tail = elements_[at + 1].kind == Kind::kEnd;
        if (!(repeats_[rule] && tail && named == rule)) first[rule].push_back(named);
        if (!nullable[named]) break;
      }
    }
  }
  enum : uint8_t { kNew, kOpen, kClosed };
  std::vector<uint8_t> seen(rules_.size(), kNew);
  std::vector<std::pair<uint32_t, size_t>> path;  // rule, next of its first rules
  for (uint32_t from = 0; from < rules_.size(); ++from) {
    if (seen[from] != kNew) continue;
    path.push_back({from, 0});
    seen[from] = kOpen;
    while (!path.empty()) {
      auto& [rule, next] = path.back();
      if (next == first[rule].size()) {
        seen[rule] = kClosed;
        path.pop_back();
        continue;
      }
      const uint32_t named = first[rule][next++];
      if (seen[named] == kOpen) {
        return Error(ErrorCode::kInvalid, cat("grammar: rule '", names_[named],
                                              "' calls itself before it takes a character"));
      }
      if (seen[named] == kNew) {
        seen[named] = kOpen;
        path.push_back({named, 0});
      }
    }
  }
  return {};
}

Result<> Grammar::check() const {
  const std::vector<bool> possible = fulfillable(false);
  for (uint32_t rule = 0; rule < rules_.size(); ++rule) {
    if (!possible[rule]) {
      return Error(ErrorCode::kInvalid, cat("grammar: no text can fulfil rule '", names_[rule],
                                            "': every alternative goes on for ever"));
    }
  }
  return check_left_recursion();
}

}  // namespace weft::model
