#include "mesh/riding.h"

#include <algorithm>

#include "mesh/limits.h"

namespace weft::mesh {
namespace {

// What adds less than this part of what it may has room for twice as many.
constexpr double kNextToNothing = 0.25;
// Of the newest batch in the average, and what of it counts at most, as a multiple of the average:
// one that was held up must not make room for many rows.
constexpr double kNewestShare = 0.1;
constexpr double kNewestMax = 1.5;

}  // namespace

void Riding::start() {
  *this = {};
  rows_ = kRidingRowsFirst;
}

uint32_t Riding::rows(uint32_t most) const {
  return std::min(rows_, most);
}

void Riding::on_decode(double elapsed_s) {
  if (decode_step_s_ == 0) decode_step_s_ = elapsed_s;
  const double newest_s = std::min(elapsed_s, kNewestMax * decode_step_s_);
  decode_step_s_ += kNewestShare * (newest_s - decode_step_s_);
}

void Riding::on_ride(uint32_t prefill_rows, double elapsed_s) {
  if (decode_step_s_ == 0) return;
  const double allowed_s = kPrefillShare * decode_step_s_;
  const double added_s = elapsed_s - decode_step_s_;
  if (added_s > allowed_s) {
    const uint32_t fewer = std::min(rows_, prefill_rows) - 1;
    // Far beyond the limit, as many as their mean would allow.
    const double fitting = added_s > 2 * allowed_s ? prefill_rows * allowed_s / added_s : fewer;
    rows_ = std::max({std::min(fewer, uint32_t(fitting)), kept_rows_, kRidingRowsMin});
    kept_ = kept_rows_ = 0;
  } else if (prefill_rows >= rows_) {
    const bool nothing = added_s < kNextToNothing * allowed_s;
    if (++kept_ < kRidingPatience && !nothing) return;
    kept_rows_ = rows_;
    rows_ += nothing ? rows_ : std::max(rows_ / 8, 1u);
    kept_ = 0;
  }
}

}  // namespace weft::mesh
