#include "model/json_number.h"

#include <vector>

#include "base/assert.h"
#include "base/text.h"

namespace weft::model {
namespace {

std::string digits(char first, char last) {
  if (first == last) return cat("\"", first, "\"");
  return cat("[", first, "-", last, "]");
}

std::string any_digits(size_t count) {
  return count == 0 ? "" : count == 1 ? " [0-9]" : cat(" [0-9]{", count, "}");
}

// Digit strings of one length that are at least (or at most) `bound`.
std::string beyond(std::string_view bound, bool at_least) {
  if (bound.empty()) return "";
  const char edge = bound[0];
  std::string expression = cat("(\"", edge, "\" ", beyond(bound.substr(1), at_least));
  if (at_least && edge < '9') {
    expression += cat(" | ", digits(char(edge + 1), '9'), any_digits(bound.size() - 1));
  }
  if (!at_least && edge > '0') {
    expression += cat(" | ", digits('0', char(edge - 1)), any_digits(bound.size() - 1));
  }
  return expression + ")";
}

std::string between(std::string_view low, std::string_view high) {
  if (low.empty()) return "";
  if (low[0] == high[0]) {
    return cat("\"", low[0], "\" ", between(low.substr(1), high.substr(1)));
  }
  std::string expression = cat("(\"", low[0], "\" ", beyond(low.substr(1), true));
  if (high[0] - low[0] > 1) {
    expression +=
        cat(" | ", digits(char(low[0] + 1), char(high[0] - 1)), any_digits(low.size() - 1));
  }
  return expression + cat(" | \"", high[0], "\" ", beyond(high.substr(1), false), ")");
}

// Alternatives for 0 <= low <= high, one for each number of digits.
void add_positive(int64_t low, int64_t high, const std::string& sign,
                  std::vector<std::string>& alternatives) {
  for (int64_t first = 0, last = 9; first <= high; first = last + 1, last = last * 10 + 9) {
    if (last < low) continue;
    const std::string from = cat(std::max(first, low)), to = cat(std::min(last, high));
    WEFT_ASSERT(from.size() == to.size());
    alternatives.push_back(sign + between(from, to));
  }
}

}  // namespace

std::string integers_between(std::optional<int64_t> low, std::optional<int64_t> high) {
  const int64_t least = low.value_or(-kIntegerMost), most = high.value_or(kIntegerMost);
  WEFT_ASSERT(least <= most && least >= -kIntegerMost && most <= kIntegerMost);
  std::vector<std::string> alternatives;
  if (least < 0) add_positive(std::max<int64_t>(1, -most), -least, "\"-\" ", alternatives);
  if (most >= 0) add_positive(std::max<int64_t>(0, least), most, "", alternatives);
  std::string expression = "(";
  for (size_t i = 0; i < alternatives.size(); ++i) {
    expression += (i > 0 ? " | " : "") + alternatives[i];
  }
  return expression + ")";
}

}  // namespace weft::model
