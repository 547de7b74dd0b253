#include "model/char_set.h"

#include <algorithm>

#include "base/assert.h"

namespace weft::model {
namespace {

constexpr uint32_t kCodeMax = 0x10FFFF;
constexpr CodeRange kSurrogates = {0xD800, 0xDFFF};
// The last character of each length of encoding (RFC 3629).
constexpr uint32_t kLastOfLength[] = {0x7F, 0x7FF, 0xFFFF, kCodeMax};

// Returns how many bytes there are.
size_t encode(uint32_t code, uint8_t bytes[4]) {
  if (code < 0x80) {
    bytes[0] = uint8_t(code);
    return 1;
  }
  const size_t count = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = count - 1; i > 0; --i, code >>= 6) bytes[i] = uint8_t(0x80 | (code & 0x3F));
  bytes[0] = uint8_t((0xF00 >> count & 0xFF) | code);
  return count;
}

void remove(std::vector<CodeRange>& ranges, CodeRange hole) {
  std::vector<CodeRange> kept;
  for (const CodeRange& range : ranges) {
    if (range.first < hole.first) {
      kept.push_back({range.first, std::min(range.last, hole.first - 1)});
    }
    if (range.last > hole.last) kept.push_back({std::max(range.first, hole.last + 1), range.last});
  }
  ranges = std::move(kept);
}

}  // namespace

std::vector<CodeRange> normalize(std::vector<CodeRange> ranges, bool negate) {
  std::erase_if(ranges, [](const CodeRange& r) { return r.first > r.last || r.first > kCodeMax; });
  std::sort(ranges.begin(), ranges.end());
  std::vector<CodeRange> merged;
  for (CodeRange range : ranges) {
    range.last = std::min(range.last, kCodeMax);
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  if (negate) {
    std::vector<CodeRange> others = {{0, kCodeMax}};
    for (const CodeRange& range : merged) remove(others, range);
    merged = std::move(others);
  }
  remove(merged, kSurrogates);
  return merged;
}

CharSet::CharSet(std::span<const CodeRange> ranges) {
  for (const CodeRange& range : ranges) {
    uint32_t first = range.first;
    for (const uint32_t limit : kLastOfLength) {
      if (first > limit || first > range.last) continue;
      add(first, std::min(range.last, limit));
      first = limit + 1;
    }
  }
}

void CharSet::add(uint32_t first, uint32_t last) {
  uint8_t low[4], high[4];
  const size_t count = encode(first, low);
  WEFT_ASSERT(encode(last, high) == count);
  for (size_t tail = 1; tail < count; ++tail) {
    const uint32_t mask = (1u << 6 * tail) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      add(first, first | mask);
      return add((first | mask) + 1, last);
    }
    if ((last & mask) != mask) {
      add(first, (last & ~mask) - 1);
      return add(last & ~mask, last);
    }
  }
  uint16_t place = 0;
  for (size_t i = 0; i < count; ++i) place = follow(place, low[i], high[i], i + 1 == count);
}

uint16_t CharSet::follow(uint16_t from, uint8_t low, uint8_t high, bool ends) {
  for (const Edge& edge : places_[from]) {
    if (!ends && edge.low == low && edge.high == high) return edge.to;
  }
  uint16_t to = kDone;
  if (!ends) {
    to = uint16_t(places_.size());
    WEFT_ASSERT(to < kNone);
    places_.emplace_back();
  }
  places_[from].push_back({low, high, to});
  return to;
}

uint16_t CharSet::step(uint16_t from, uint8_t byte) const {
  for (const Edge& edge : places_[from]) {
    if (byte >= edge.low && byte <= edge.high) return edge.to;
  }
  return kNone;
}

}  // namespace weft::model
