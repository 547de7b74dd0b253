#include "discovery/dns_sd.h"

#include <algorithm>

#include "base/assert.h"
#include "base/text.h"

namespace weft::discovery {
namespace {

constexpr size_t kTypeNameMax = 15;  // RFC 6763 section 7.2, without the underscore
constexpr size_t kTxtStringMax = 255;

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; });
}

std::string_view cut(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  return text.substr(0, utf8_complete_prefix(text.substr(0, limit)));
}

bool valid_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(),
                                     [](char c) { return c >= 0x20 && c <= 0x7e && c != '='; });
}

std::string lowered(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

}  // namespace

Result<Name> service_type_name(std::string_view type) {
  const auto labels = split(type, '.');
  const bool shaped = labels.size() == 2 && labels[0].size() >= 2 && labels[0][0] == '_' &&
                      labels[0].size() <= kTypeNameMax + 1 &&
                      (labels[1] == "_tcp" || labels[1] == "_udp");
  if (!shaped) {
    return Error(ErrorCode::kInvalid,
                 cat("\"", printable(type), "\" is no service type; one looks ",
                     "like _weft._tcp, with at most 15 letters before the dot"));
  }
  return Name::from_labels({labels[0], labels[1], "local"});
}

Name meta_query_name() {
  auto name = Name::from_labels({"_services", "_dns-sd", "_udp", "local"});
  return std::move(name).value();
}

Result<Name> local_host(std::string_view label) {
  return Name::from_labels({std::string(label), "local"});
}

bool valid_instance(std::string_view instance) {
  return !instance.empty() && instance.size() <= kLabelBytesMax && is_utf8(instance) &&
         !has_control(instance);
}

Result<> check_txt(const TxtMap& txt) {
  size_t total = 0;
  for (const auto& [key, value] : txt) {
    if (!valid_key(key)) {
      return Error(ErrorCode::kInvalid,
                   cat("text key \"", printable(key), "\" must be printable ASCII without '='"));
    }
    const size_t bytes = key.size() + 1 + value.size();
    if (bytes > kTxtStringMax) {
      return Error(ErrorCode::kInvalid, cat("text entry \"", printable(key), "\" has ", bytes,
                                            " bytes; at most ", kTxtStringMax, " fit"));
    }
    total += bytes + 1;
  }
  if (total > kOwnTxtBytesMax || txt.size() > kTxtPairsMax) {
    return Error(ErrorCode::kInvalid,
                 cat("text record has ", txt.size(), " entries and ", total, " bytes; at most ",
                     kTxtPairsMax, " and ", kOwnTxtBytesMax, " are published"));
  }
  return {};
}

Result<> check_announcement(const ServiceAnnouncement& announcement) {
  if (!valid_instance(announcement.instance)) {
    return Error(ErrorCode::kInvalid,
                 cat("service name \"", printable(announcement.instance), "\" must be 1 to ",
                     kLabelBytesMax, " bytes of UTF-8 without control characters"));
  }
  if (announcement.port == 0) {
    return Error(ErrorCode::kInvalid, "a service cannot be announced on port 0; bind it first");
  }
  return check_txt(announcement.txt);
}

std::string numbered_instance(std::string_view base, int number) {
  const std::string suffix = number == 1 ? "" : cat(" (", number, ")");
  return cat(cut(base, kLabelBytesMax - suffix.size()), suffix);
}

std::string numbered_host(std::string_view base, int number) {
  const std::string suffix = number == 1 ? "" : cat("-", number);
  std::string host = "weft-";
  for (const char c : lowered(base)) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (kept) host += c;
    if (!kept && host.back() != '-') host += '-';
  }
  host.resize(std::min(host.size(), kLabelBytesMax - suffix.size()));
  while (host.back() == '-') host.pop_back();
  return host + suffix;
}

Txt encode_txt(const TxtMap& txt) {
  Txt strings;
  for (const auto& [key, value] : txt) strings.push_back(key + "=" + value);
  if (strings.empty()) strings.emplace_back();
  return strings;
}

Result<TxtMap> decode_txt(const Txt& strings) {
  TxtMap txt;
  size_t total = 0;
  for (const std::string& text : strings) {
    total += text.size() + 1;
    if (total > kPeerTxtBytesMax) {
      return Error(ErrorCode::kExhausted,
                   cat("text record is longer than ", kPeerTxtBytesMax, " bytes"));
    }
    const size_t equals = text.find('=');
    const std::string_view key = std::string_view(text).substr(0, equals);
    if (!valid_key(key)) continue;
    const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
    txt.try_emplace(lowered(key), value);
    if (txt.size() > kTxtPairsMax) {
      return Error(ErrorCode::kExhausted,
                   cat("text record has more than ", kTxtPairsMax, " entries"));
    }
  }
  return txt;
}

}  // namespace weft::discovery
