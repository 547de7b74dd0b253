// Integers between two bounds, as an expression of a grammar.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace weft::model {

inline constexpr int64_t kIntegerMost = 999'999'999'999'999;  // 15 digits: exact in a double too

// The decimal texts of the integers from `low` to `high`, which are within kIntegerMost of 0; one
// that is not given is kIntegerMost or its negative. low <= high.
std::string integers_between(std::optional<int64_t> low, std::optional<int64_t> high);

}  // namespace weft::model
