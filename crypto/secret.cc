#include "crypto/secret.h"

#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>

#include "base/file.h"

namespace weft::crypto {

Result<> initialize() {
  if (sodium_init() < 0) {
    return Error(ErrorCode::kInternal,
                 "libsodium found no source of random numbers; is /dev/urandom there?");
  }
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) {
    return system_error("turn off", "core dumps", errno);
  }
#ifndef WEFT_SANITIZED
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return system_error("make undumpable", "this process", errno);
  }
#endif
  return {};
}

void wipe(std::span<uint8_t> bytes) {
  sodium_memzero(bytes.data(), bytes.size());
}

void wipe(std::string& text) {
  sodium_memzero(text.data(), text.size());
}

bool equal_secrets(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  return a.empty() || sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

namespace detail {

uint8_t* allocate_secret(size_t size) {
  // sodium_malloc's canary needs the random source; sodium_init does nothing after the first time.
  WEFT_ASSERT(sodium_init() >= 0);
  auto* data = static_cast<uint8_t*>(sodium_malloc(size));
  WEFT_ASSERT(data != nullptr);
  sodium_memzero(data, size);
  return data;
}

void free_secret(uint8_t* data) noexcept {
  sodium_free(data);
}

}  // namespace detail
}  // namespace weft::crypto
