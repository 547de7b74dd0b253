#include "model/template/operators.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/text.h"
#include "model/template/access.h"
#include "model/template/format.h"
#include "model/template/unicode.h"

namespace weft::model::jinja {
namespace {

std::string_view symbol(BinaryOperator op) {
  switch (op) {
    case BinaryOperator::kAdd: return "+";
    case BinaryOperator::kSubtract: return "-";
    case BinaryOperator::kMultiply: return "*";
    case BinaryOperator::kDivide: return "/";
    case BinaryOperator::kFloorDivide: return "//";
    case BinaryOperator::kModulo: return "%";
    case BinaryOperator::kPower: return "**";
  }
  return "?";
}

// Python's floor division and the remainder of the divisor's sign. `right` is neither 0 nor -1.
int64_t floor_divide(int64_t left, int64_t right) {
  const int64_t quotient = left / right;
  return left % right != 0 && ((left < 0) != (right < 0)) ? quotient - 1 : quotient;
}

double float_modulo(double left, double right) {
  const double rest = std::fmod(left, right);
  return rest != 0 && ((rest < 0) != (right < 0)) ? rest + right : rest;
}

Result<Value> power(const Runtime& runtime, int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return runtime.fail("0 cannot be raised to a negative power");
    return Value::real(std::pow(double(base), double(exponent)));
  }
  int64_t result = 1;
  for (uint64_t left = uint64_t(exponent); left > 0; left >>= 1) {
    bool overflow = (left & 1) && __builtin_mul_overflow(result, base, &result);
    overflow |= left > 1 && __builtin_mul_overflow(base, base, &base);
    if (overflow) return runtime.fail("this power does not fit in 64 bits");
  }
  return Value::integer(result);
}

Result<Value> integer_arithmetic(const Runtime& runtime, BinaryOperator op, int64_t left,
                                 int64_t right) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case BinaryOperator::kAdd: overflow = __builtin_add_overflow(left, right, &result); break;
    case BinaryOperator::kSubtract: overflow = __builtin_sub_overflow(left, right, &result); break;
    case BinaryOperator::kMultiply: overflow = __builtin_mul_overflow(left, right, &result); break;
    case BinaryOperator::kPower: return power(runtime, left, right);
    case BinaryOperator::kDivide:
      if (right == 0) return runtime.fail("division by zero");
      return Value::real(double(left) / double(right));
    case BinaryOperator::kFloorDivide:
    case BinaryOperator::kModulo:
      if (right == 0) return runtime.fail("integer division or modulo by zero");
      if (op == BinaryOperator::kModulo) {
        result = right == -1 ? 0 : left - floor_divide(left, right) * right;
      } else if (right == -1) {
        overflow = __builtin_sub_overflow(int64_t{0}, left, &result);
      } else {
        result = floor_divide(left, right);
      }
      break;
  }
  if (overflow) return runtime.fail(cat("the result of ", symbol(op), " does not fit in 64 bits"));
  return Value::integer(result);
}

Result<Value> float_arithmetic(const Runtime& runtime, BinaryOperator op, double left,
                               double right) {
  switch (op) {
    case BinaryOperator::kAdd: return Value::real(left + right);
    case BinaryOperator::kSubtract: return Value::real(left - right);
    case BinaryOperator::kMultiply: return Value::real(left * right);
    case BinaryOperator::kPower: return Value::real(std::pow(left, right));
    default: break;
  }
  if (right == 0) return runtime.fail("float division by zero");
  if (op == BinaryOperator::kDivide) return Value::real(left / right);
  if (op == BinaryOperator::kModulo) return Value::real(float_modulo(left, right));
  return Value::real(std::floor(left / right));
}

bool is_flavor(const Value& value, Flavor flavor) {
  return value.is(Kind::kSequence) && value.sequence().flavor == flavor;
}

bool is_repeatable(const Value& value) {
  return value.is(Kind::kString) || is_flavor(value, Flavor::kList) ||
         is_flavor(value, Flavor::kTuple);
}

Result<Value> repeat(Runtime& runtime, const Value& value, int64_t count) {
  const uint64_t times = count > 0 ? uint64_t(count) : 0;
  const bool is_string = value.is(Kind::kString);
  const uint64_t size = is_string ? value.text().size() : value.items().size() * sizeof(Value);
  if (size > 0 && times > runtime.limits().value_bytes / size) {
    WEFT_CHECK(runtime.room(UINT64_MAX));
  }
  WEFT_CHECK(runtime.room(size * times));
  if (is_string) {
    WEFT_CHECK(runtime.touch_bytes(size * times));
    std::string text;
    text.reserve(size * times);
    for (uint64_t i = 0; i < times && size > 0; ++i) text += value.text();
    return runtime.string(std::move(text));
  }
  WEFT_CHECK(runtime.touch_items(value.items().size() * times));
  std::vector<Value> items;
  items.reserve(value.items().size() * times);
  for (uint64_t i = 0; i < times && size > 0; ++i) {
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return runtime.list(std::move(items), value.sequence().flavor);
}

Result<Value> add(Runtime& runtime, const Value& left, const Value& right) {
  if (left.is(Kind::kString)) {
    const uint64_t size = left.text().size() + right.text().size();
    WEFT_CHECK(runtime.room(size));
    std::string text;
    text.reserve(size);
    text += left.text();
    text += right.text();
    return runtime.string(std::move(text));
  }
  WEFT_CHECK(runtime.room((left.items().size() + right.items().size()) * sizeof(Value)));
  std::vector<Value> items;
  items.reserve(left.items().size() + right.items().size());
  items.insert(items.end(), left.items().begin(), left.items().end());
  items.insert(items.end(), right.items().begin(), right.items().end());
  return runtime.list(std::move(items), left.sequence().flavor);
}

bool are_addable(const Value& left, const Value& right) {
  if (left.is(Kind::kString)) return right.is(Kind::kString);
  return (is_flavor(left, Flavor::kList) && is_flavor(right, Flavor::kList)) ||
         (is_flavor(left, Flavor::kTuple) && is_flavor(right, Flavor::kTuple));
}

bool is_orderable_sequence(const Value& left, const Value& right) {
  return !left.is(Kind::kString) && are_addable(left, right);
}

Result<bool> equal_items(Runtime& runtime, const std::vector<Value>& left,
                         const std::vector<Value>& right) {
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    WEFT_TRY(const bool same, equal(runtime, left[i], right[i]));
    if (!same) return false;
  }
  return true;
}

Result<bool> equal_dicts(Runtime& runtime, const Dict& left, const Dict& right) {
  if (left.entries().size() != right.entries().size()) return false;
  for (const Dict::Entry& entry : left.entries()) {
    WEFT_CHECK(runtime.touch(entry.key));
    const Value* other = right.find(entry.key);
    if (!other) return false;
    WEFT_TRY(const bool same, equal(runtime, entry.value, *other));
    if (!same) return false;
  }
  return true;
}

}  // namespace

Result<Value> arithmetic(Runtime& runtime, BinaryOperator op, const Value& left,
                         const Value& right) {
  if (left.is(Kind::kUndefined)) return runtime.undefined_error(left);
  if (op == BinaryOperator::kModulo && left.is(Kind::kString)) {
    return format_percent(runtime, left.text(), right);
  }
  if (right.is(Kind::kUndefined)) return runtime.undefined_error(right);
  if (left.is_integral() && right.is_integral()) {
    return integer_arithmetic(runtime, op, left.as_int(), right.as_int());
  }
  if (left.is_number() && right.is_number()) {
    return float_arithmetic(runtime, op, left.as_double(), right.as_double());
  }
  if (op == BinaryOperator::kAdd && are_addable(left, right)) return add(runtime, left, right);
  if (op == BinaryOperator::kMultiply) {
    if (is_repeatable(left) && right.is_integral()) return repeat(runtime, left, right.as_int());
    if (is_repeatable(right) && left.is_integral()) return repeat(runtime, right, left.as_int());
  }
  if (op == BinaryOperator::kAdd && left.is(Kind::kString)) {
    return runtime.fail(
        cat("can only concatenate str (not \"", type_name(right), "\") to str"));
  }
  return runtime.fail(cat("unsupported operand type(s) for ", symbol(op), ": '", type_name(left),
                          "' and '", type_name(right), "'"));
}

Result<Value> signed_value(Runtime& runtime, bool negative, const Value& value) {
  if (value.is(Kind::kUndefined)) return runtime.undefined_error(value);
  if (value.is(Kind::kFloat)) return Value::real(negative ? -value.as_double() : value.as_double());
  if (!value.is_integral()) {
    return runtime.fail(cat("bad operand type for unary ", negative ? "-" : "+", ": '",
                            type_name(value), "'"));
  }
  return integer_arithmetic(runtime, negative ? BinaryOperator::kSubtract : BinaryOperator::kAdd, 0,
                            value.as_int());
}

Result<bool> equal(Runtime& runtime, const Value& left, const Value& right) {
  WEFT_CHECK(runtime.step());
  if (left.is_integral() && right.is_integral()) return left.as_int() == right.as_int();
  if (left.is_number() && right.is_number()) return left.as_double() == right.as_double();
  if (left.kind() != right.kind()) return false;
  switch (left.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return true;
    case Kind::kString:
      if (left.text().size() != right.text().size()) return false;
      WEFT_CHECK(runtime.touch(left));
      return left.text() == right.text();
    case Kind::kSequence:
      if (left.sequence().flavor != right.sequence().flavor) return false;
      return equal_items(runtime, left.items(), right.items());
    case Kind::kDict: return equal_dicts(runtime, left.dict().dict, right.dict().dict);
    default: return left.identity() == right.identity();
  }
}

Result<bool> less(Runtime& runtime, const Value& left, const Value& right) {
  WEFT_CHECK(runtime.step());
  if (left.is(Kind::kUndefined)) return runtime.undefined_error(left);
  if (right.is(Kind::kUndefined)) return runtime.undefined_error(right);
  if (left.is_integral() && right.is_integral()) return left.as_int() < right.as_int();
  if (left.is_number() && right.is_number()) return left.as_double() < right.as_double();
  if (left.is(Kind::kString) && right.is(Kind::kString)) {
    WEFT_CHECK(runtime.touch_bytes(std::min(left.text().size(), right.text().size())));
    return left.text() < right.text();  // UTF-8 orders as its code points do
  }
  if (is_orderable_sequence(left, right)) {
    const size_t shared = std::min(left.items().size(), right.items().size());
    for (size_t i = 0; i < shared; ++i) {
      WEFT_TRY(const bool same, equal(runtime, left.items()[i], right.items()[i]));
      if (!same) return less(runtime, left.items()[i], right.items()[i]);
    }
    return left.items().size() < right.items().size();
  }
  return runtime.fail(cat("'<' not supported between instances of '", type_name(left), "' and '",
                          type_name(right), "'"));
}

Result<bool> contains(Runtime& runtime, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kUndefined:
      if (container.undefined() && container.undefined()->unsafe) {
        return runtime.undefined_error(container);
      }
      return false;
    case Kind::kString:
      if (item.is(Kind::kUndefined)) return runtime.undefined_error(item);
      if (!item.is(Kind::kString)) {
        return runtime.fail(cat("'in <string>' requires string as left operand, not ",
                                type_name(item)));
      }
      WEFT_CHECK(runtime.touch(container));
      return find_text(container.text(), item.text()) != std::string_view::npos;
    case Kind::kDict:
      WEFT_CHECK(runtime.touch(item));
      return container.dict().dict.find(item) != nullptr;
    case Kind::kSequence:
      for (const Value& candidate : container.items()) {
        WEFT_TRY(const bool same, equal(runtime, candidate, item));
        if (same) return true;
      }
      return false;
    default:
      return runtime.fail(cat("argument of type '", type_name(container), "' is not iterable"));
  }
}

Result<bool> compare(Runtime& runtime, Comparison op, const Value& left, const Value& right) {
  const auto inverted = [](Result<bool> result) -> Result<bool> {
    if (!result.ok()) return result;
    return !*result;
  };
  const bool has_nan = (left.is(Kind::kFloat) && std::isnan(left.as_double())) ||
                       (right.is(Kind::kFloat) && std::isnan(right.as_double()));
  switch (op) {
    case Comparison::kEqual: return equal(runtime, left, right);
    case Comparison::kNotEqual: return inverted(equal(runtime, left, right));
    case Comparison::kIn: return contains(runtime, right, left);
    case Comparison::kNotIn: return inverted(contains(runtime, right, left));
    case Comparison::kLess: return less(runtime, left, right);
    case Comparison::kGreater: return less(runtime, right, left);
    case Comparison::kLessEqual:
      if (has_nan) return false;
      return inverted(less(runtime, right, left));
    case Comparison::kGreaterEqual:
      if (has_nan) return false;
      return inverted(less(runtime, left, right));
  }
  return false;
}

Result<> sort_by_keys(Runtime& runtime, const std::vector<Value>& keys, bool descending,
                      std::vector<size_t>& order) {
  const size_t count = keys.size();
  order.resize(count);
  for (size_t i = 0; i < count; ++i) order[i] = i;
  // Merge sort from the bottom: a comparison that fails, or one without a consistent order, ends in
  // an error or in some order, where std::sort would be undefined.
  std::vector<size_t> merged(count);
  for (size_t width = 1; width < count; width *= 2) {
    for (size_t begin = 0; begin < count; begin += 2 * width) {
      const size_t middle = std::min(begin + width, count),
                   end = std::min(begin + 2 * width, count);
      size_t left = begin, right = middle;
      for (size_t out = begin; out < end; ++out) {
        bool take_right = left == middle;
        if (!take_right && right < end) {
          const Value& a = keys[order[left]];
          const Value& b = keys[order[right]];
          WEFT_TRY(take_right, descending ? less(runtime, a, b) : less(runtime, b, a));
        }
        merged[out] = take_right ? order[right++] : order[left++];
      }
    }
    order.swap(merged);
  }
  return {};
}

}  // namespace weft::model::jinja
