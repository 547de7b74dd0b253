// StopMatcher: lets text through until one of the stop texts appears, and holds back what may be
// the beginning of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::node {

inline constexpr size_t kStopTextsMax = 16;
inline constexpr size_t kStopBytesMax = 256;  // of each

// kInvalid for too many, too long or empty stop texts.
Result<> validate_stop_texts(const std::vector<std::string>& stop);

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stop) : stop_(std::move(stop)) {}

  // What may be given out now that `text` has come. After stopped() nothing more.
  std::string push(std::string_view text);
  // What was held back, at the end of an answer that no stop text ended.
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stop_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace weft::node
