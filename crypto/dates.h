// Dates of certificates, and the errors that say when a clock is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::crypto {

// How far two members' clocks may be apart. A day, because small boards without a battery-backed
// clock start with the time of their last shutdown; revocation does not depend on clocks.
inline constexpr int64_t kClockToleranceSeconds = 24 * 3600;
inline constexpr int64_t kCertificateSeconds = int64_t{365} * 24 * 3600;
// The end of the year 9999: the largest date any of our formats may hold.
inline constexpr int64_t kDateMax = 253402300799;

// "2026-11-21 09:30 UTC"; clamped to the years 1970 to 9999.
std::string format_date(int64_t unix_seconds);

// kDenied if `now` is more than the tolerance before or after the dates; the message names both
// dates, the distance, and the clock as what to check first.
//   what  "the certificate of 'kitchen'"
Result<> check_dates(std::string_view what, int64_t not_before, int64_t not_after, int64_t now);

// kDenied if two clocks are further apart than the tolerance.
//   other  whose clock the second is: "the device that wants to join"
Result<> check_clocks(int64_t here, std::string_view other, int64_t there);

}  // namespace weft::crypto
