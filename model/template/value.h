// Values of a running template: Python's, immutable but for namespaces and the loop object.
//
// Bodies are shared and counted; what a render makes is charged to its Budget for as long as it
// lives. Nesting is limited where lists and dicts are made (Runtime), so destruction and printing
// recurse no deeper than that. Values of one render belong to one thread; literals of a program are
// shared by all renders and never change.
//
// (The folder is template/; C++ takes that word, so the namespace is jinja.)
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace weft::model::jinja {

class Runtime;
class Value;
struct UndefinedBody;
struct StringBody;
struct SequenceBody;
struct DictBody;
struct NamespaceBody;
struct LoopBody;
struct CallableBody;

// Bytes that the living values of one render hold.
class Budget {
 public:
  explicit Budget(uint64_t limit) : limit_(limit) {}
  bool fits(uint64_t bytes) const { return bytes <= limit_ - used_; }
  void take(uint64_t bytes) { used_ += bytes; }
  void give(uint64_t bytes) { used_ -= bytes; }

 private:
  uint64_t limit_;
  uint64_t used_ = 0;
};

// A part of a budget, given back at the end. Empty for literals. The budget must outlive it.
class Charge {
 public:
  Charge() = default;
  Charge(Budget* budget, uint64_t bytes) : budget_(budget), bytes_(bytes) { budget_->take(bytes); }
  Charge(Charge&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
  Charge& operator=(Charge&&) = delete;
  ~Charge() {
    if (budget_) budget_->give(bytes_);
  }

 private:
  Budget* budget_ = nullptr;
  uint64_t bytes_ = 0;
};

// Order as in Value's variant.
enum class Kind {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kSequence,
  kDict,
  kNamespace,
  kLoop,
  kCallable,
};

class Value {
 public:
  Value() = default;  // undefined, of no name
  explicit Value(std::shared_ptr<const UndefinedBody> body) : data_(std::move(body)) {}
  explicit Value(std::shared_ptr<const StringBody> body) : data_(std::move(body)) {}
  explicit Value(std::shared_ptr<const SequenceBody> body) : data_(std::move(body)) {}
  explicit Value(std::shared_ptr<const DictBody> body) : data_(std::move(body)) {}
  explicit Value(std::shared_ptr<NamespaceBody> body) : data_(std::move(body)) {}
  explicit Value(std::shared_ptr<LoopBody> body) : data_(std::move(body)) {}
  explicit Value(std::shared_ptr<const CallableBody> body) : data_(std::move(body)) {}
  static Value none() { return Value(Data(nullptr)); }
  static Value boolean(bool value) { return Value(Data(value)); }
  static Value integer(int64_t value) { return Value(Data(value)); }
  static Value real(double value) { return Value(Data(value)); }
  // A string that is part of the program or of Python's own wording: charged to nobody.
  static Value literal(std::string text);

  Kind kind() const { return Kind(data_.index()); }
  bool is(Kind other) const { return kind() == other; }
  bool is_number() const { return is(Kind::kBool) || is(Kind::kInt) || is(Kind::kFloat); }
  bool is_integral() const { return is(Kind::kBool) || is(Kind::kInt); }

  // Each needs its kind (asserted by std::get's twin below).
  bool as_bool() const { return *get<bool>(); }
  int64_t as_int() const { return is(Kind::kBool) ? int64_t(as_bool()) : *get<int64_t>(); }
  double as_double() const { return is(Kind::kFloat) ? *get<double>() : double(as_int()); }
  const std::string& text() const;
  const SequenceBody& sequence() const { return **get<std::shared_ptr<const SequenceBody>>(); }
  const std::vector<Value>& items() const;
  const DictBody& dict() const { return **get<std::shared_ptr<const DictBody>>(); }
  NamespaceBody& ns() const { return **get<std::shared_ptr<NamespaceBody>>(); }
  LoopBody& loop() const { return **get<std::shared_ptr<LoopBody>>(); }
  const CallableBody& callable() const { return **get<std::shared_ptr<const CallableBody>>(); }
  // Null for an undefined value of no name.
  const UndefinedBody* undefined() const {
    return get<std::shared_ptr<const UndefinedBody>>()->get();
  }

  // How many containers lie in one another below and at this value; 0 for a scalar.
  uint32_t depth() const;
  // The body's address, for `is sameas` and loop bookkeeping; null for what has none.
  const void* identity() const;

 private:
  using Data = std::variant<std::shared_ptr<const UndefinedBody>, std::nullptr_t, bool, int64_t,
                            double, std::shared_ptr<const StringBody>,
                            std::shared_ptr<const SequenceBody>, std::shared_ptr<const DictBody>,
                            std::shared_ptr<NamespaceBody>, std::shared_ptr<LoopBody>,
                            std::shared_ptr<const CallableBody>>;
  explicit Value(Data data) : data_(std::move(data)) {}

  template <typename T>
  const T* get() const {
    const T* held = std::get_if<T>(&data_);
    WEFT_ASSERT(held != nullptr);
    return held;
  }

  Data data_;
};

// What a name, an attribute or an item that is not there evaluates to. It prints as nothing; using
// it for more fails with `message`.
struct UndefinedBody {
  std::string message;  // "'x' is undefined"
  bool unsafe =
      false;  // an attribute that the sandbox refuses; `message` is the error's whole text
  Charge charge;
};

struct StringBody {
  std::string text;
  Charge charge;
};

// How Python would call a run of items. All are made at once here; only kList and kTuple can be
// indexed, and a generator has no length.
enum class Flavor { kList, kTuple, kGenerator, kRange, kDictKeys, kDictValues, kDictItems };

struct SequenceBody {
  Flavor flavor;
  std::vector<Value> items;
  uint32_t depth;
  Charge charge;
};

// Insertion-ordered, keyed as Python hashes: 1, 1.0 and True are one key.
class Dict {
 public:
  struct Entry {
    Value key;
    Value value;
  };

  // Null if absent. Keys that cannot be hashed (see hash_key) are never there.
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  // Replaces the value of an equal key in its place, else adds at the end. False if `key` cannot be
  // a key.
  bool set(const Value& key, Value value);
  const std::vector<Entry>& entries() const { return entries_; }
  void clear();

 private:
  const Value* find_hashed(std::string_view hash) const;

  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;  // by hash_key
};

struct DictBody {
  Dict dict;
  uint32_t depth;
  Charge charge;
};

struct NamespaceBody {
  Dict attributes;
  Charge charge;
};

// The variable `loop`.
struct LoopBody {
  std::shared_ptr<const SequenceBody> sequence;
  size_t index = 0;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct CallableBody {
  std::string description;  // "macro 'x'", "str.strip"
  uint32_t depth;           // of what it is bound to
  std::function<Result<Value>(Runtime&, const Arguments&)> call;
  Charge charge;
};

// A text that is equal for equal keys and different for different ones; false if the value cannot
// be hashed (a list, a dict, a namespace, ...).
bool hash_key(const Value& key, std::string& out);

// Python's bool(value).
bool truthy(const Value& value);
// type(value).__name__: "str", "dict", "NoneType", "Undefined".
std::string_view type_name(const Value& value);

}  // namespace weft::model::jinja
