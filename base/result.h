// Result<T>: a value or an Error that says what, why and what to do next.
//
// A subset of std::expected (C++23, P0323) with a fixed error type.
//   WEFT_TRY(auto file, open(path));     // value on success, else returns the error
//   WEFT_CHECK(file.validate());         // the same for Result<>
//   return open(path).within("load m.gguf");
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"

namespace weft {

enum class ErrorCode {
  kInvalid,      // an argument or a request is wrong
  kCorrupt,      // bytes from a file or the wire break their format
  kNotFound,     // what was named does not exist
  kExhausted,    // a named limit is reached; retry later
  kUnavailable,  // a peer, a plan or a device is not there (any more)
  kDenied,       // not allowed: a key, a signature, a file's mode
  kTimeout,      // a deadline passed
  kCancelled,    // the caller went away
  kUnsupported,  // understood, but not something this build can do
  kIo,           // the operating system failed a read, a write, a socket
  kConflict,     // two things claim one place: a port, a folder, a roster epoch
  kStale,        // from another epoch
  kInternal,     // a defect of ours that was caught
};

// The code's name as it goes to logs, HTTP and the wire: "not_found".
std::string_view error_code_name(ErrorCode code);

struct [[nodiscard]] Error {
  ErrorCode code;
  std::string message;

  Error(ErrorCode error_code, std::string text) : code(error_code), message(std::move(text)) {}

  // Puts a context before the message: "load m.gguf: tensor x needs ...".
  Error within(std::string_view context) && {
    message = std::string(context) + ": " + message;
    return std::move(*this);
  }
};

template <typename T = void>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT: implicit by design
  Result(Error error) : error_(std::move(error)) {}     // NOLINT: implicit by design

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }

  T& value() & { WEFT_ASSERT(ok()); return *value_; }
  const T& value() const& { WEFT_ASSERT(ok()); return *value_; }
  T&& value() && { WEFT_ASSERT(ok()); return std::move(*value_); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { WEFT_ASSERT(!ok()); return *error_; }
  Error&& error() && { WEFT_ASSERT(!ok()); return std::move(*error_); }

  Result within(std::string_view context) && {
    if (ok()) return std::move(*this);
    return std::move(*error_).within(context);
  }

 private:
  std::optional<T> value_;
  std::optional<Error> error_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}     // NOLINT: implicit by design

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { WEFT_ASSERT(!ok()); return *error_; }
  Error&& error() && { WEFT_ASSERT(!ok()); return std::move(*error_); }

  Result within(std::string_view context) && {
    if (ok()) return {};
    return std::move(*error_).within(context);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace weft

#define WEFT_CONCAT_INNER(a, b) a##b
#define WEFT_CONCAT(a, b) WEFT_CONCAT_INNER(a, b)

#define WEFT_TRY_IMPL(temporary, declaration, expression)         \
  auto temporary = (expression);                                  \
  if (!temporary.ok()) return std::move(temporary).error();       \
  declaration = *std::move(temporary)

// WEFT_TRY(auto value, expression): declares `value`, or returns the expression's error.
#define WEFT_TRY(declaration, ...) \
  WEFT_TRY_IMPL(WEFT_CONCAT(weft_result_, __COUNTER__), declaration, (__VA_ARGS__))

// WEFT_CHECK(expression): returns the expression's error, if it has one.
#define WEFT_CHECK(...)                                                                  \
  do {                                                                                   \
    if (auto weft_check_result = (__VA_ARGS__); !weft_check_result.ok())                 \
      return std::move(weft_check_result).error();                                       \
  } while (false)
