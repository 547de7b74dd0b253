// CharSet: a set of characters as a small automaton over the bytes of UTF-8, so that matching never
// has to put a character together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weft::model {

struct CodeRange {
  uint32_t first = 0, last = 0;  // both belong to it
  auto operator<=>(const CodeRange&) const = default;
};

// Sorted, without overlap, within Unicode and without surrogates; with `negate`: all the others.
std::vector<CodeRange> normalize(std::vector<CodeRange> ranges, bool negate);

class CharSet {
 public:
  static constexpr uint16_t kDone = 0xFFFF;  // the byte ends a character of the set
  static constexpr uint16_t kNone = 0xFFFE;  // no character of the set goes on with this byte

  // Of normalized ranges.
  explicit CharSet(std::span<const CodeRange> ranges);

  // From place `from` (0: before a character) over `byte`: another place, kDone or kNone.
  uint16_t step(uint16_t from, uint8_t byte) const;

 private:
  struct Edge {
    uint8_t low, high;
    uint16_t to;
  };
  // Adds the characters of a range whose encodings are equally long and differ in every value of
  // their last bytes.
  void add(uint32_t first, uint32_t last);
  uint16_t follow(uint16_t from, uint8_t low, uint8_t high, bool ends);

  std::vector<std::vector<Edge>> places_{1};
};

}  // namespace weft::model
