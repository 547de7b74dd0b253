#include "node/api_key.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "base/file.h"
#include "base/text.h"

namespace weft::node {

Result<std::string> read_api_key(const std::string& path) {
  WEFT_TRY(const Bytes content, read_file(path, kApiKeyBytesMax));
  struct stat status = {};
  const bool known = ::stat(path.c_str(), &status) == 0;
  if (known && S_ISREG(status.st_mode) && status.st_uid == ::geteuid() &&
      (status.st_mode & 077) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", unsigned(status.st_mode & 07777));
    return Error(ErrorCode::kDenied, cat(path, " has mode ", mode,
                                         ", so others may read the API key in it; if nobody did: "
                                         "chmod 600 '", path, "'"));
  }
  return std::string(trim(as_text(content)));
}

}  // namespace weft::node
