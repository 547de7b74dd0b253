// Times an operation of a backend that computes at once, for its observer.
#pragma once

#include "base/clock.h"
#include "kernels/backend.h"

namespace weft::kernels {

// From its making to its end. `name` outlives the observer.
class OperationTimer {
 public:
  OperationTimer(const OperationObserver& observer, std::string_view name)
      : observer_(observer), name_(name) {
    if (observer_) begin_ = clock_.now();
  }
  ~OperationTimer() {
    if (observer_) observer_(name_, begin_, clock_.now());
  }
  OperationTimer(const OperationTimer&) = delete;
  OperationTimer& operator=(const OperationTimer&) = delete;

 private:
  const OperationObserver& observer_;
  const std::string_view name_;
  const SystemClock clock_;
  Time begin_;
};

}  // namespace weft::kernels
