#include "node/event_stream.h"

#include "base/text.h"

namespace weft::node {
namespace {

Error too_long() {
  return Error(ErrorCode::kExhausted,
               cat("the node sent an event of more than ", kEventBytesMax, " bytes"));
}

}  // namespace

Result<> EventParser::push(std::string_view bytes,
                           const std::function<void(std::string_view)>& on_data) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + piece.size() > kEventBytesMax) return too_long();
    line_ += piece;
    if (end == std::string_view::npos) return {};
    bytes.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    const std::string line = std::exchange(line_, "");
    WEFT_CHECK(take_line(line, on_data));
  }
  return {};
}

Result<> EventParser::take_line(std::string_view line,
                                const std::function<void(std::string_view)>& on_data) {
  if (line.empty()) {
    if (has_data_) on_data(data_);
    data_.clear();
    has_data_ = false;
    return {};
  }
  constexpr std::string_view kField = "data:";
  if (!line.starts_with(kField)) return {};  // a comment or a field that nothing here reads
  line.remove_prefix(kField.size());
  if (line.starts_with(' ')) line.remove_prefix(1);
  if (data_.size() + line.size() + 1 > kEventBytesMax) return too_long();
  if (has_data_) data_ += '\n';
  data_ += line;
  has_data_ = true;
  return {};
}

}  // namespace weft::node
