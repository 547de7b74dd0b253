// Progress: how far a long work is, for the person who waits. A bar on a terminal, plain lines
// elsewhere, and nothing at all of work that ends within two seconds.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace weft::node {

class Progress {
 public:
  struct Output {
    std::function<void(std::string_view)> write;
    bool terminal = false;
  };
  enum class Unit { kBytes, kPercent };

  // what  "loading x.gguf"; the clock must outlive this. One thread.
  Progress(std::string what, Unit unit, const Clock& clock, Output output);
  // To stderr.
  Progress(std::string what, Unit unit, const Clock& clock);
  // Takes the bar off the terminal.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // May be called at any rate; total 0 counts as unknown and shows nothing.
  void update(uint64_t done, uint64_t total);

 private:
  const std::string what_;
  const Unit unit_;
  const Clock& clock_;
  const Output output_;
  const Time start_;
  Time shown_at_{};
  bool shown_ = false;
};

}  // namespace weft::node
