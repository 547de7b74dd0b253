#include "crypto/dates.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/text.h"

namespace weft::crypto {
namespace {

constexpr const char* kSetClock = "set the clock (timedatectl set-ntp true)";

// "3 days", or "5 hours" under two days; of a distance that is not negative.
std::string distance(int64_t seconds) {
  constexpr int64_t kHour = 3600, kDay = 24 * kHour;
  if (seconds >= 2 * kDay) return cat(seconds / kDay, " days");
  return cat(seconds / kHour, " hours");
}

}  // namespace

std::string format_date(int64_t unix_seconds) {
  using std::chrono::sys_days, std::chrono::year_month_day, std::chrono::days;
  const int64_t clamped = std::clamp<int64_t>(unix_seconds, 0, kDateMax);
  const year_month_day date{sys_days(days(clamped / 86400))};
  const int minutes = int(clamped % 86400 / 60);
  char text[48];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d UTC", int(date.year()),
                unsigned(date.month()), unsigned(date.day()), minutes / 60, minutes % 60);
  return text;
}

Result<> check_dates(std::string_view what, int64_t not_before, int64_t not_after, int64_t now) {
  now = std::clamp<int64_t>(now, 0, kDateMax);
  not_before = std::clamp<int64_t>(not_before, 0, kDateMax);
  not_after = std::clamp<int64_t>(not_after, 0, kDateMax);
  if (now + kClockToleranceSeconds < not_before) {
    return Error(
        ErrorCode::kDenied,
        cat(what, " is valid from ", format_date(not_before), ", but this device's clock says ",
            format_date(now), ", ", distance(not_before - now),
            " earlier; this clock or the one of the device that issued it is wrong: ", kSetClock));
  }
  if (now > not_after + kClockToleranceSeconds) {
    return Error(
        ErrorCode::kDenied,
        cat(what, " was valid until ", format_date(not_after), ", but this device's clock says ",
            format_date(now), ", ", distance(now - not_after), " later; if this clock is wrong, ",
            kSetClock,
            ", otherwise renew it on the device that made the mesh: weft members --renew"));
  }
  return {};
}

Result<> check_clocks(int64_t here, std::string_view other, int64_t there) {
  here = std::clamp<int64_t>(here, 0, kDateMax);
  there = std::clamp<int64_t>(there, 0, kDateMax);
  const int64_t apart = std::max(here, there) - std::min(here, there);
  if (apart <= kClockToleranceSeconds) return {};
  return Error(ErrorCode::kDenied,
               cat("the clock of ", other, " says ", format_date(there), ", this one says ",
                   format_date(here), ", ", distance(apart), " apart; ", kSetClock,
                   " on the one that is wrong, then try again"));
}

}  // namespace weft::crypto
