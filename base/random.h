// Counter-based random numbers: a pure function of (key, counter), so a replay draws the same
// numbers, in any order, on any node. Not for secrets: crypto has its own source.
// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox4x32-10).
#pragma once

#include <array>
#include <cstdint>

namespace weft {

// Philox4x32-10 of a 128-bit counter (low word first) under a 64-bit key.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, uint64_t key);

// One number for (key, position), uniform in [0, 1) with 53 bits.
double uniform_at(uint64_t key, uint64_t position);

// A stream over the counters 0, 1, 2, ... of one seed.
class Random {
 public:
  explicit Random(uint64_t seed) : seed_(seed) {}
  uint64_t next();
  // Uniform in [0, 1).
  double uniform();
  // Uniform in [0, bound); bound > 0.
  uint64_t below(uint64_t bound);
  // Mean 0, variance 1 (Box-Muller).
  double normal();

 private:
  uint64_t seed_;
  uint64_t counter_ = 0;
};

}  // namespace weft
