#include "model/template/value.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace weft::model::jinja {

Value Value::literal(std::string text) {
  return Value(std::make_shared<const StringBody>(StringBody{std::move(text), {}}));
}

const std::string& Value::text() const { return (*get<std::shared_ptr<const StringBody>>())->text; }

const std::vector<Value>& Value::items() const { return sequence().items; }

uint32_t Value::depth() const {
  switch (kind()) {
    case Kind::kSequence: return sequence().depth;
    case Kind::kDict: return dict().depth;
    case Kind::kLoop: return loop().sequence->depth + 1;
    case Kind::kCallable: return callable().depth;
    default: return 0;
  }
}

const void* Value::identity() const {
  return std::visit(
      [](const auto& held) -> const void* {
        if constexpr (requires { held.get(); }) return held.get();
        return nullptr;
      },
      data_);
}

const Value* Dict::find_hashed(std::string_view hash) const {
  const auto found = index_.find(hash);
  return found == index_.end() ? nullptr : &entries_[found->second].value;
}

const Value* Dict::find(const Value& key) const {
  if (key.is(Kind::kString)) return find(key.text());
  std::string hash;
  return hash_key(key, hash) ? find_hashed(hash) : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  std::string hash;
  hash.reserve(key.size() + 1);
  hash += 's';
  hash += key;
  return find_hashed(hash);
}

bool Dict::set(const Value& key, Value value) {
  std::string hash;
  if (!hash_key(key, hash)) return false;
  const auto [place, added] = index_.emplace(std::move(hash), entries_.size());
  if (added) {
    entries_.push_back({key, std::move(value)});
  } else {
    entries_[place->second].value = std::move(value);
  }
  return true;
}

void Dict::clear() {
  entries_.clear();
  index_.clear();
}

bool hash_key(const Value& key, std::string& out) {
  switch (key.kind()) {
    case Kind::kNone: out += 'n'; return true;
    case Kind::kString:
      out += 's';
      out += key.text();
      return true;
    case Kind::kBool:
    case Kind::kInt: out += cat('i', key.as_int()); return true;
    case Kind::kFloat: {
      const double number = key.as_double();
      const bool whole = std::floor(number) == number && std::abs(number) < 9e18;
      out += whole ? cat('i', int64_t(number)) : cat('f', std::hexfloat, number);
      return true;
    }
    case Kind::kSequence:
      if (key.sequence().flavor != Flavor::kTuple) return false;
      out += 't';
      for (const Value& item : key.items()) {
        std::string part;
        if (!hash_key(item, part)) return false;
        out += cat(part.size(), ':', part);
      }
      return true;
    default: return false;
  }
}

bool truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool: return value.as_bool();
    case Kind::kInt: return value.as_int() != 0;
    case Kind::kFloat: return value.as_double() != 0;
    case Kind::kString: return !value.text().empty();
    case Kind::kSequence:
      return value.sequence().flavor == Flavor::kGenerator || !value.items().empty();
    case Kind::kDict: return !value.dict().dict.entries().empty();
    case Kind::kNamespace:
    case Kind::kLoop:
    case Kind::kCallable: return true;
  }
  return false;
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return "str";
    case Kind::kSequence: break;
    case Kind::kDict: return "dict";
    case Kind::kNamespace: return "Namespace";
    case Kind::kLoop: return "LoopContext";
    case Kind::kCallable: return "function";
  }
  switch (value.sequence().flavor) {
    case Flavor::kList: return "list";
    case Flavor::kTuple: return "tuple";
    case Flavor::kGenerator: return "generator";
    case Flavor::kRange: return "range";
    case Flavor::kDictKeys: return "dict_keys";
    case Flavor::kDictValues: return "dict_values";
    case Flavor::kDictItems: return "dict_items";
  }
  return "object";
}

}  // namespace weft::model::jinja
