#include "transport/message.h"

#include <array>

namespace weft::transport {

std::string_view message_name(const Message& message) {
  static constexpr std::array<std::string_view, std::variant_size_v<Message>> kNames = {
      "hello", "beat",  "profile", "link_probe", "propose",          "ready",    "activate",
      "stale", "want",  "step",    "token",      "close",            "refused",  "manifest_request",
      "manifest", "fetch", "chunk", "roster_update", "error_report"};
  return kNames[message.index()];
}

}  // namespace weft::transport
