#include "node/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/text.h"

namespace weft::node {
namespace {

constexpr Duration kQuietFor = seconds(2);
constexpr Duration kBarEvery = milliseconds(100);
constexpr Duration kLineEvery = seconds(2);
constexpr uint32_t kBarCells = 30;
constexpr std::string_view kClearLine = "\r\x1b[K";

Progress::Output standard_error() {
  return {[](std::string_view text) {
            std::fwrite(text.data(), 1, text.size(), stderr);
            std::fflush(stderr);
          },
          ::isatty(STDERR_FILENO) == 1};
}

}  // namespace

Progress::Progress(std::string what, Unit unit, const Clock& clock, Output output)
    : what_(std::move(what)),
      unit_(unit),
      clock_(clock),
      output_(std::move(output)),
      start_(clock.now()) {}

Progress::Progress(std::string what, Unit unit, const Clock& clock)
    : Progress(std::move(what), unit, clock, standard_error()) {}

Progress::~Progress() {
  if (shown_ && output_.terminal) output_.write(kClearLine);
}

void Progress::update(uint64_t done, uint64_t total) {
  const Time now = clock_.now();
  if (total == 0 || now - start_ < kQuietFor) return;
  if (shown_ && now - shown_at_ < (output_.terminal ? kBarEvery : kLineEvery)) return;
  shown_ = true;
  shown_at_ = now;
  const double share = double(std::min(done, total)) / double(total);
  std::string text = cat(int(share * 100), " %");
  if (unit_ == Unit::kBytes) {
    text += cat(", ", format_bytes(done), " of ", format_bytes(total));
  }
  if (!output_.terminal) {
    output_.write(cat(what_, ": ", text, "\n"));
    return;
  }
  const auto filled = size_t(share * kBarCells);
  output_.write(cat(kClearLine, what_, " [", std::string(filled, '#'),
                    std::string(kBarCells - filled, '.'), "] ", text));
}

}  // namespace weft::node
