// The file that holds the API's key, on the node's side and on its clients'.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace weft::node {

inline constexpr uint64_t kApiKeyBytesMax = 4096;

// The file's text without white space at its ends. kDenied where the file is this user's and others
// may read or write it, with the command that puts it right. As ssh has it, a file of another user
// (a service's secret) is its owner's business. Errors name the file.
Result<std::string> read_api_key(const std::string& path);

}  // namespace weft::node
