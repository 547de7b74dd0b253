#include "model/template/runtime.h"

#include <algorithm>

#include "base/text.h"

namespace weft::model::jinja {
namespace {

// What a macro's kept scope is charged, variables aside.
constexpr uint64_t kScopeBytes = 256;
// The key's text in Dict's index and the index's node, roughly.
constexpr uint64_t kEntryBytes = sizeof(Dict::Entry) + 96;

}  // namespace

Runtime::Runtime(const TemplateLimits& limits, int64_t now_unix)
    : limits_(limits),
      now_unix_(now_unix),
      budget_(limits.value_bytes),
      steps_left_(limits.steps) {}

Runtime::~Runtime() {
  for (const auto& body : namespaces_) body->attributes.clear();
  for (const auto& scope : scopes_) scope->variables.clear();
}

Result<Frame> Runtime::enter() {
  if (frames_ < kFramesMax) return Frame(frames_);
  return Error(ErrorCode::kExhausted,
               cat("template line ", line_, ": the template nests too deeply"));
}

Result<> Runtime::step(uint64_t count) {
  if (count > steps_left_) {
    steps_left_ = 0;
    return Error(ErrorCode::kExhausted,
                 cat("template line ", line_, ": the template takes more than ", limits_.steps,
                     " steps; it may loop without end"));
  }
  steps_left_ -= count;
  return {};
}

Result<> Runtime::touch(const Value& value) {
  switch (value.kind()) {
    case Kind::kString: return touch_bytes(value.text().size());
    case Kind::kSequence: return touch_items(value.items().size());
    case Kind::kDict: return touch_items(value.dict().dict.entries().size());
    default: return {};
  }
}

Result<> Runtime::room(uint64_t bytes) const {
  if (budget_.fits(bytes)) return {};
  return Error(ErrorCode::kExhausted,
               cat("template line ", line_, ": the template's values take more than ",
                   format_bytes(limits_.value_bytes)));
}

Result<uint32_t> Runtime::nest(uint32_t inner) const {
  if (inner < limits_.depth) return inner + 1;
  return Error(
      ErrorCode::kExhausted,
      cat("template line ", line_, ": lists or dicts nest more than ", limits_.depth, " deep"));
}

Result<Value> Runtime::string(std::string text) {
  const uint64_t bytes = sizeof(StringBody) + text.capacity();
  WEFT_CHECK(room(bytes));
  WEFT_CHECK(touch_bytes(text.size()));
  return Value(
      std::make_shared<const StringBody>(StringBody{std::move(text), Charge(&budget_, bytes)}));
}

Result<Value> Runtime::list(std::vector<Value> items, Flavor flavor) {
  const uint64_t bytes = sizeof(SequenceBody) + items.capacity() * sizeof(Value);
  WEFT_CHECK(room(bytes));
  WEFT_CHECK(touch_items(items.size()));
  uint32_t deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.depth());
  WEFT_TRY(const uint32_t depth, nest(deepest));
  return Value(std::make_shared<const SequenceBody>(
      SequenceBody{flavor, std::move(items), depth, Charge(&budget_, bytes)}));
}

Result<Value> Runtime::dict(Dict dict) {
  uint64_t bytes = sizeof(DictBody);
  uint32_t deepest = 0;
  for (const Dict::Entry& entry : dict.entries()) {
    bytes += kEntryBytes + (entry.key.is(Kind::kString) ? entry.key.text().size() : 0);
    deepest = std::max({deepest, entry.key.depth(), entry.value.depth()});
  }
  WEFT_CHECK(room(bytes));
  WEFT_CHECK(touch_items(dict.entries().size()));
  WEFT_TRY(const uint32_t depth, nest(deepest));
  return Value(std::make_shared<const DictBody>(
      DictBody{std::move(dict), depth, Charge(&budget_, bytes)}));
}

Result<Value> Runtime::undefined(std::string message, bool unsafe) {
  const uint64_t bytes = sizeof(UndefinedBody) + message.capacity();
  WEFT_CHECK(room(bytes));
  return Value(std::make_shared<const UndefinedBody>(
      UndefinedBody{std::move(message), unsafe, Charge(&budget_, bytes)}));
}

Result<Value> Runtime::name_space() {
  const uint64_t bytes = sizeof(NamespaceBody) + sizeof(void*) * 4;
  WEFT_CHECK(room(bytes));
  auto body = std::make_shared<NamespaceBody>(NamespaceBody{{}, Charge(&budget_, bytes)});
  namespaces_.push_back(body);
  return Value(std::move(body));
}

Result<> Runtime::grown(NamespaceBody& body, size_t entries_before) {
  const uint64_t bytes = (body.attributes.entries().size() - entries_before) * kEntryBytes;
  if (bytes == 0) return {};
  WEFT_CHECK(room(bytes));
  lasting_.emplace_back(&budget_, bytes);
  return {};
}

Result<Value> Runtime::callable(std::string description, uint32_t depth,
                                std::function<Result<Value>(Runtime&, const Arguments&)> call) {
  const uint64_t bytes = sizeof(CallableBody) + description.capacity();
  WEFT_CHECK(room(bytes));
  WEFT_TRY(const uint32_t nested, nest(depth));
  return Value(std::make_shared<const CallableBody>(
      CallableBody{std::move(description), nested, std::move(call), Charge(&budget_, bytes)}));
}

Result<> Runtime::keep(std::shared_ptr<Scope> scope) {
  if (!scopes_.empty() && scopes_.back() == scope) return {};
  WEFT_CHECK(room(kScopeBytes));
  lasting_.emplace_back(&budget_, kScopeBytes);
  scopes_.push_back(std::move(scope));
  return {};
}

Error Runtime::fail(std::string_view what) const {
  return Error(ErrorCode::kInvalid, cat("template line ", line_, ": ", what));
}

Error Runtime::undefined_error(const Value& value) const {
  const UndefinedBody* body = value.undefined();
  if (!body) return fail("an undefined value is used");
  if (body->unsafe) return Error(ErrorCode::kInvalid, body->message);
  return fail(body->message);
}

Result<Bound> Bound::bind(const Runtime& runtime, std::string_view what,
                          const std::vector<std::string_view>& parameters,
                          const Arguments& arguments) {
  const auto plain = [](std::string_view name) {
    return name.ends_with('?') ? name.substr(0, name.size() - 1) : name;
  };
  Bound bound;
  bound.slots_.assign(parameters.size(), nullptr);
  if (arguments.positional.size() > parameters.size()) {
    return runtime.fail(cat(what, " takes at most ", parameters.size(), " arguments (",
                            arguments.positional.size(), " given)"));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    bound.slots_[i] = &arguments.positional[i];
  }
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find_if(parameters.begin(), parameters.end(),
                                    [&, &wanted = name](auto p) { return plain(p) == wanted; });
    if (found == parameters.end()) {
      return runtime.fail(cat(what, " got an unexpected keyword argument '", name, "'"));
    }
    const Value*& slot = bound.slots_[size_t(found - parameters.begin())];
    if (slot) return runtime.fail(cat(what, " got multiple values for argument '", name, "'"));
    slot = &value;
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!bound.slots_[i] && !parameters[i].ends_with('?')) {
      return runtime.fail(cat(what, " is missing the argument '", parameters[i], "'"));
    }
  }
  return bound;
}

Result<int64_t> Bound::integer(const Runtime& runtime, size_t parameter, int64_t fallback) const {
  const Value* value = slots_[parameter];
  if (!value || value->is(Kind::kNone)) return fallback;
  if (value->is(Kind::kUndefined)) return runtime.undefined_error(*value);
  if (value->is_integral()) return value->as_int();
  return runtime.fail(
      cat("'", type_name(*value), "' object cannot be interpreted as an integer"));
}

bool Bound::truth(size_t parameter, bool fallback) const {
  return slots_[parameter] ? truthy(*slots_[parameter]) : fallback;
}

Result<std::string_view> Bound::text(const Runtime& runtime, size_t parameter,
                                     std::string_view fallback) const {
  const Value* value = slots_[parameter];
  if (!value || value->is(Kind::kNone)) return fallback;
  if (value->is(Kind::kUndefined)) return runtime.undefined_error(*value);
  if (value->is(Kind::kString)) return std::string_view(value->text());
  return runtime.fail(cat("a string is needed, not '", type_name(*value), "'"));
}

}  // namespace weft::model::jinja
