// Of filters.h: lists, dicts and whatever can be iterated.
#include <algorithm>

#include "base/text.h"
#include "model/template/access.h"
#include "model/template/filters.h"
#include "model/template/operators.h"
#include "model/template/tests.h"
#include "model/template/unicode.h"
#include "model/template/write.h"

namespace weft::model::jinja {
namespace {

Result<Value> or_default(Runtime&, const Value& input, const Bound& bound, const Arguments&) {
  const bool falls_back = input.is(Kind::kUndefined) || (bound.truth(1, false) && !truthy(input));
  if (!falls_back) return input;
  return bound[0] ? *bound[0] : Value::literal("");
}

Result<Value> length(Runtime& runtime, const Value& input, const Bound&, const Arguments&) {
  WEFT_TRY(const int64_t count, length_of(runtime, input));
  return Value::integer(count);
}

Result<Value> attribute(Runtime& runtime, const Value& input, const Bound& bound,
                        const Arguments&) {
  WEFT_TRY(const std::string_view name, bound.text(runtime, 0, ""));
  return attribute_of(runtime, input, name);
}

Result<Value> first(Runtime& runtime, const Value& input, const Bound&, const Arguments&) {
  WEFT_TRY(const Value items, iterate(runtime, input));
  if (!items.items().empty()) return items.items().front();
  return runtime.undefined("No first item, sequence was empty.");
}

Result<Value> last(Runtime& runtime, const Value& input, const Bound&, const Arguments&) {
  WEFT_TRY(const Value items, iterate(runtime, input));
  if (!items.items().empty()) return items.items().back();
  return runtime.undefined("No last item, sequence was empty.");
}

Result<Value> as_list(Runtime& runtime, const Value& input, const Bound&, const Arguments&) {
  WEFT_TRY(const Value items, iterate(runtime, input));
  return runtime.list(items.items());
}

Result<Value> reversed(Runtime& runtime, const Value& input, const Bound&, const Arguments&) {
  if (input.is(Kind::kString)) {
    const Value step = Value::integer(-1);
    return slice_of(runtime, input, nullptr, nullptr, &step);
  }
  WEFT_TRY(const Value items, iterate(runtime, input));
  return runtime.list({items.items().rbegin(), items.items().rend()}, Flavor::kGenerator);
}

// The value that a filter with an `attribute` looks at: the item itself if none is given.
Result<Value> looked_at(Runtime& runtime, const Value& item, const Value* path) {
  WEFT_CHECK(runtime.step());
  if (!path || path->is(Kind::kNone)) return item;
  return path_of(runtime, item, *path);
}

// The same, with strings in small letters unless `case_sensitive`.
Result<Value> sort_key(Runtime& runtime, const Value& item, const Value* path,
                       bool case_sensitive) {
  WEFT_TRY(Value key, looked_at(runtime, item, path));
  if (case_sensitive || !key.is(Kind::kString)) return key;
  return runtime.string(to_lower(key.text()));
}

Result<Value> join(Runtime& runtime, const Value& input, const Bound& bound, const Arguments&) {
  WEFT_TRY(const Value items, iterate(runtime, input));
  std::string separator;
  if (bound[0]) {
    WEFT_TRY(separator, to_text(runtime, *bound[0]));
  }
  std::string out;
  for (size_t i = 0; i < items.items().size(); ++i) {
    WEFT_TRY(const Value value, looked_at(runtime, items.items()[i], bound[1]));
    WEFT_TRY(const std::string text, to_text(runtime, value));
    WEFT_CHECK(runtime.touch_bytes(separator.size()));
    WEFT_CHECK(runtime.room(out.size() + separator.size() + text.size()));
    if (i > 0) out += separator;
    out += text;
  }
  return runtime.string(std::move(out));
}

Result<Value> map(Runtime& runtime, const Value& input, const Bound&, const Arguments& raw) {
  WEFT_TRY(const Value items, iterate(runtime, input));
  const Value* path = nullptr;
  const Value* fallback = nullptr;
  const FilterEntry* filter = nullptr;
  Arguments rest;
  if (raw.positional.empty()) {
    for (const auto& [name, value] : raw.named) {
      if (name == "attribute") path = &value;
      if (name == "default") fallback = &value;
    }
    if (!path) return runtime.fail("map needs a filter's name or an attribute");
  } else {
    const Value& name = raw.positional[0];
    if (name.is(Kind::kString)) filter = find_filter(name.text());
    if (!filter) return runtime.fail("map names a filter that does not exist");
    rest.positional.assign(raw.positional.begin() + 1, raw.positional.end());
    rest.named = raw.named;
  }
  std::vector<Value> mapped;
  for (const Value& item : items.items()) {
    Value value;
    if (filter) {
      WEFT_TRY(value, apply_filter(runtime, *filter, item, rest));
    } else {
      WEFT_TRY(value, looked_at(runtime, item, path));
      if (fallback && value.is(Kind::kUndefined)) value = *fallback;
    }
    WEFT_CHECK(runtime.room(mapped.size() * sizeof(Value)));
    mapped.push_back(std::move(value));
  }
  return runtime.list(std::move(mapped), Flavor::kGenerator);
}

// select, reject and, with a path as the first argument, their attr twins.
template <bool kKeep, bool kByPath>
Result<Value> selected(Runtime& runtime, const Value& input, const Bound&, const Arguments& raw) {
  WEFT_TRY(const Value items, iterate(runtime, input));
  const size_t skipped = kByPath ? 1 : 0;
  if (raw.positional.size() < skipped) return runtime.fail("an attribute's name is missing");
  const Value* path = kByPath ? &raw.positional[0] : nullptr;
  const TestEntry* test = nullptr;
  Arguments rest;
  if (raw.positional.size() > skipped) {
    const Value& name = raw.positional[skipped];
    if (name.is(Kind::kString)) test = find_test(name.text());
    if (!test) return runtime.fail("the test to select by does not exist");
    rest.positional.assign(raw.positional.begin() + ptrdiff_t(skipped) + 1, raw.positional.end());
    rest.named = raw.named;
  }
  std::vector<Value> kept;
  for (const Value& item : items.items()) {
    WEFT_TRY(const Value value, looked_at(runtime, item, path));
    bool holds = truthy(value);
    if (test) {
      WEFT_TRY(holds, apply_test(runtime, *test, value, rest));
    }
    if (holds != kKeep) continue;
    WEFT_CHECK(runtime.room(kept.size() * sizeof(Value)));
    kept.push_back(item);
  }
  return runtime.list(std::move(kept), Flavor::kGenerator);
}

Result<Value> items(Runtime& runtime, const Value& input, const Bound&, const Arguments&) {
  if (input.is(Kind::kUndefined)) return runtime.list({}, Flavor::kGenerator);
  if (!input.is(Kind::kDict)) return runtime.fail("Can only get item pairs from a mapping.");
  return pairs_of(runtime, input, Flavor::kGenerator);
}

Result<Value> in_order(Runtime& runtime, const std::vector<Value>& values,
                       const std::vector<Value>& keys, bool descending) {
  std::vector<size_t> order;
  WEFT_CHECK(sort_by_keys(runtime, keys, descending, order));
  std::vector<Value> sorted;
  sorted.reserve(values.size());
  for (const size_t position : order) sorted.push_back(values[position]);
  return runtime.list(std::move(sorted));
}

Result<Value> sort(Runtime& runtime, const Value& input, const Bound& bound, const Arguments&) {
  WEFT_TRY(const Value list, iterate(runtime, input));
  std::vector<Value> keys;
  for (const Value& item : list.items()) {
    WEFT_TRY(auto key, sort_key(runtime, item, bound[2], bound.truth(1, false)));
    keys.push_back(std::move(key));
  }
  return in_order(runtime, list.items(), keys, bound.truth(0, false));
}

Result<Value> dictsort(Runtime& runtime, const Value& input, const Bound& bound,
                       const Arguments&) {
  if (input.is(Kind::kUndefined)) return runtime.undefined_error(input);
  if (!input.is(Kind::kDict)) {
    return runtime.fail(cat("'", type_name(input), "' object has no items to sort"));
  }
  WEFT_TRY(const std::string_view by, bound.text(runtime, 1, "key"));
  if (by != "key" && by != "value") return runtime.fail("dictsort sorts by 'key' or 'value'");
  WEFT_TRY(const Value pairs, pairs_of(runtime, input, Flavor::kList));
  std::vector<Value> keys;
  for (const Value& pair : pairs.items()) {
    const Value& part = pair.items()[by == "key" ? 0 : 1];
    WEFT_TRY(auto key, sort_key(runtime, part, nullptr, bound.truth(0, false)));
    keys.push_back(std::move(key));
  }
  return in_order(runtime, pairs.items(), keys, bound.truth(2, false));
}

Result<Value> unique(Runtime& runtime, const Value& input, const Bound& bound, const Arguments&) {
  WEFT_TRY(const Value list, iterate(runtime, input));
  Dict seen;
  std::vector<Value> kept;
  for (const Value& item : list.items()) {
    WEFT_TRY(const Value key, sort_key(runtime, item, bound[1], bound.truth(0, false)));
    const size_t before = seen.entries().size();
    if (!seen.set(key, Value::none())) {
      return runtime.fail(cat("unhashable type: '", type_name(key), "'"));
    }
    if (seen.entries().size() > before) kept.push_back(item);
    WEFT_CHECK(runtime.room(kept.size() * 4 * sizeof(Dict::Entry)));
  }
  return runtime.list(std::move(kept), Flavor::kGenerator);
}

template <bool kLargest>
Result<Value> extreme(Runtime& runtime, const Value& input, const Bound& bound, const Arguments&) {
  WEFT_TRY(const Value list, iterate(runtime, input));
  if (list.items().empty()) return runtime.undefined("No aggregated item, sequence was empty.");
  Value best_key;
  const Value* best = nullptr;
  for (const Value& item : list.items()) {
    WEFT_TRY(Value key, sort_key(runtime, item, bound[1], bound.truth(0, false)));
    bool better = best == nullptr;
    if (!better) {
      WEFT_TRY(better, kLargest ? less(runtime, best_key, key) : less(runtime, key, best_key));
    }
    if (!better) continue;
    best = &item;
    best_key = std::move(key);
  }
  return *best;
}

Result<Value> sum(Runtime& runtime, const Value& input, const Bound& bound, const Arguments&) {
  WEFT_TRY(const Value list, iterate(runtime, input));
  Value total = bound[1] ? *bound[1] : Value::integer(0);
  for (const Value& item : list.items()) {
    WEFT_TRY(const Value value, looked_at(runtime, item, bound[0]));
    WEFT_TRY(total, arithmetic(runtime, BinaryOperator::kAdd, total, value));
  }
  return total;
}

}  // namespace

const std::vector<FilterEntry>& list_filters() {
  static const std::vector<FilterEntry> filters = {
      {"default", {"default_value?", "boolean?"}, or_default},
      {"d", {"default_value?", "boolean?"}, or_default},
      {"length", {}, length},
      {"count", {}, length},
      {"attr", {"name"}, attribute},
      {"first", {}, first},
      {"last", {}, last},
      {"list", {}, as_list},
      {"reverse", {}, reversed},
      {"join", {"d?", "attribute?"}, join},
      {"map", {"*"}, map},
      {"select", {"*"}, selected<true, false>},
      {"reject", {"*"}, selected<false, false>},
      {"selectattr", {"*"}, selected<true, true>},
      {"rejectattr", {"*"}, selected<false, true>},
      {"items", {}, items},
      {"sort", {"reverse?", "case_sensitive?", "attribute?"}, sort},
      {"dictsort", {"case_sensitive?", "by?", "reverse?"}, dictsort},
      {"unique", {"case_sensitive?", "attribute?"}, unique},
      {"max", {"case_sensitive?", "attribute?"}, extreme<true>},
      {"min", {"case_sensitive?", "attribute?"}, extreme<false>},
      {"sum", {"attribute?", "start?"}, sum},
  };
  return filters;
}

}  // namespace weft::model::jinja
