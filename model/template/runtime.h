// What one render may use and how it fails: steps, bytes, nesting, the line being run.
//
// Every maker of a value goes through here, so that no filter or operator can forget the limits.
// One render, one thread. Values made here must not outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/chat_template.h"
#include "model/template/value.h"

namespace weft::model::jinja {

// Variables of one block; what is not here is looked up in `parent`. Names are views into the
// program or into the render's input.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::map<std::string_view, Value> variables;
};

// One level of the interpreter's own recursion, for as long as it lives.
class Frame {
 public:
  explicit Frame(uint32_t& count) : count_(&count) { ++*count_; }
  Frame(Frame&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  Frame& operator=(Frame&&) = delete;
  ~Frame() {
    if (count_) --*count_;
  }

 private:
  uint32_t* count_;
};

// Statements, expressions and filters that may be under way within one another: bounds the stack,
// which takes about 1 KiB for each.
inline constexpr uint32_t kFramesMax = 1000;

class Runtime {
 public:
  Runtime(const TemplateLimits& limits, int64_t now_unix);
  // Empties what may refer to itself: namespaces and the scopes that macros see.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // kExhausted at kFramesMax.
  Result<Frame> enter();
  // Uses up steps; kExhausted at the end of them.
  Result<> step(uint64_t count = 1);
  // The steps of work on that many bytes, or items.
  Result<> touch_bytes(uint64_t bytes) { return step(bytes / kBytesPerStep); }
  Result<> touch_items(uint64_t items) { return step(items / kItemsPerStep); }
  // The steps of one pass over a value: a string's bytes, a container's items.
  Result<> touch(const Value& value);
  // kExhausted unless values of that many bytes more may live. To be asked before making something
  // whose size a template chooses freely.
  Result<> room(uint64_t bytes) const;

  Result<Value> string(std::string text);
  Result<Value> list(std::vector<Value> items, Flavor flavor = Flavor::kList);
  Result<Value> tuple(std::vector<Value> items) { return list(std::move(items), Flavor::kTuple); }
  Result<Value> dict(Dict dict);
  // `unsafe` as in UndefinedBody.
  Result<Value> undefined(std::string message, bool unsafe = false);
  Result<Value> name_space();
  // To be called after a change of a namespace's attributes: charges their growth.
  Result<> grown(NamespaceBody& body, size_t entries_before);
  Result<Value> callable(std::string description, uint32_t depth,
                         std::function<Result<Value>(Runtime&, const Arguments&)> call);
  // Keeps a scope until the end, for the macros made in it.
  Result<> keep(std::shared_ptr<Scope> scope);

  // kInvalid with the line being run before `what`.
  Error fail(std::string_view what) const;
  // The error of using `value` (undefined) for anything but printing.
  Error undefined_error(const Value& value) const;

  uint32_t line() const { return line_; }
  void set_line(uint32_t line) { line_ = line; }
  int64_t now_unix() const { return now_unix_; }
  const TemplateLimits& limits() const { return limits_; }

 private:
  static constexpr uint64_t kBytesPerStep = 64;
  static constexpr uint64_t kItemsPerStep = 8;

  Result<uint32_t> nest(uint32_t inner) const;

  const TemplateLimits limits_;
  const int64_t now_unix_;
  Budget budget_;  // before all that holds values
  uint64_t steps_left_;
  uint32_t line_ = 0;
  uint32_t frames_ = 0;
  std::vector<std::shared_ptr<NamespaceBody>> namespaces_;
  std::vector<std::shared_ptr<Scope>> scopes_;
  std::vector<Charge> lasting_;  // of the two above
};

// Arguments by parameter, for what is built in. A slot is null where nothing was passed.
class Bound {
 public:
  // Parameters are "name" (required) or "name?" (optional). Fails as Python does for too many, too
  // few, unknown or doubled ones; `what` names the callee.
  static Result<Bound> bind(const Runtime& runtime, std::string_view what,
                            const std::vector<std::string_view>& parameters,
                            const Arguments& arguments);

  const Value* operator[](size_t parameter) const { return slots_[parameter]; }
  // The argument as a whole number, a truth, a string; `fallback` where nothing (or None) was
  // passed. Another type is kInvalid.
  Result<int64_t> integer(const Runtime& runtime, size_t parameter, int64_t fallback) const;
  bool truth(size_t parameter, bool fallback) const;
  Result<std::string_view> text(const Runtime& runtime, size_t parameter,
                                std::string_view fallback) const;

 private:
  std::vector<const Value*> slots_;
};

}  // namespace weft::model::jinja
