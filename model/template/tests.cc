#include "model/template/tests.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/template/access.h"
#include "model/template/filters.h"
#include "model/template/operators.h"
#include "model/template/unicode.h"
#include "model/template/write.h"

namespace weft::model::jinja {
namespace {

template <Kind kKind>
Result<bool> is_kind(Runtime&, const Value& input, const Bound&) {
  return input.is(kKind);
}

template <Comparison kOp>
Result<bool> compares(Runtime& runtime, const Value& input, const Bound& bound) {
  return compare(runtime, kOp, input, *bound[0]);
}

Result<bool> is_defined(Runtime&, const Value& input, const Bound&) {
  return !input.is(Kind::kUndefined);
}

Result<bool> is_true(Runtime&, const Value& input, const Bound&) {
  return input.is(Kind::kBool) && input.as_bool();
}

Result<bool> is_false(Runtime&, const Value& input, const Bound&) {
  return input.is(Kind::kBool) && !input.as_bool();
}

Result<bool> is_number_test(Runtime&, const Value& input, const Bound&) {
  return input.is_number();
}

// What has a length and takes an index: Python's mappings, strings and undefined values do.
Result<bool> is_sequence(Runtime&, const Value& input, const Bound&) {
  if (input.is(Kind::kSequence)) {
    return input.sequence().flavor == Flavor::kList || input.sequence().flavor == Flavor::kTuple ||
           input.sequence().flavor == Flavor::kRange;
  }
  return input.is(Kind::kString) || input.is(Kind::kDict) || input.is(Kind::kUndefined);
}

Result<bool> is_iterable_test(Runtime&, const Value& input, const Bound&) {
  return is_iterable(input) || input.is(Kind::kLoop);
}

Result<bool> is_callable(Runtime&, const Value& input, const Bound&) {
  return input.is(Kind::kCallable);
}

Result<int64_t> whole_number(Runtime& runtime, const Value& input) {
  if (input.is(Kind::kUndefined)) return runtime.undefined_error(input);
  if (input.is_integral()) return input.as_int();
  return runtime.fail(cat("a whole number is needed, not '", type_name(input), "'"));
}

template <int kRest>
Result<bool> has_parity(Runtime& runtime, const Value& input, const Bound&) {
  WEFT_TRY(const int64_t number, whole_number(runtime, input));
  return (number & 1) == kRest;
}

Result<bool> is_divisible(Runtime& runtime, const Value& input, const Bound& bound) {
  WEFT_TRY(const Value rest, arithmetic(runtime, BinaryOperator::kModulo, input, *bound[0]));
  return rest.is_number() && rest.as_double() == 0;
}

// str(value).islower() and its twin.
template <bool kUpper>
Result<bool> is_cased(Runtime& runtime, const Value& input, const Bound&) {
  WEFT_TRY(const std::string text, to_text(runtime, input));
  bool seen = false;
  for (size_t offset = 0; offset < text.size();) {
    const char32_t c = decode_at(text, offset);
    if (kUpper ? is_lower(c) : is_upper(c)) return false;
    seen |= kUpper ? is_upper(c) : is_lower(c);
  }
  return seen;
}

Result<bool> is_same(Runtime& runtime, const Value& input, const Bound& bound) {
  const Value& other = *bound[0];
  if (input.kind() != other.kind()) return false;
  if (input.identity()) return input.identity() == other.identity();
  return equal(runtime, input, other);
}

Result<bool> names_filter(Runtime& runtime, const Value& input, const Bound&) {
  WEFT_TRY(const std::string name, to_text(runtime, input));
  return find_filter(name) != nullptr;
}

Result<bool> names_test(Runtime& runtime, const Value& input, const Bound&) {
  WEFT_TRY(const std::string name, to_text(runtime, input));
  return find_test(name) != nullptr;
}

const std::vector<TestEntry>& all_tests() {
  static const std::vector<TestEntry> tests = {
      {"defined", {}, is_defined},
      {"undefined", {}, is_kind<Kind::kUndefined>},
      {"none", {}, is_kind<Kind::kNone>},
      {"boolean", {}, is_kind<Kind::kBool>},
      {"true", {}, is_true},
      {"false", {}, is_false},
      {"string", {}, is_kind<Kind::kString>},
      {"mapping", {}, is_kind<Kind::kDict>},
      {"sequence", {}, is_sequence},
      {"iterable", {}, is_iterable_test},
      {"callable", {}, is_callable},
      {"number", {}, is_number_test},
      {"integer", {}, is_kind<Kind::kInt>},
      {"float", {}, is_kind<Kind::kFloat>},
      {"odd", {}, has_parity<1>},
      {"even", {}, has_parity<0>},
      {"divisibleby", {"num"}, is_divisible},
      {"lower", {}, is_cased<false>},
      {"upper", {}, is_cased<true>},
      {"sameas", {"other"}, is_same},
      {"filter", {}, names_filter},
      {"test", {}, names_test},
      {"in", {"seq"}, compares<Comparison::kIn>},
      {"eq", {"other"}, compares<Comparison::kEqual>},
      {"equalto", {"other"}, compares<Comparison::kEqual>},
      {"==", {"other"}, compares<Comparison::kEqual>},
      {"ne", {"other"}, compares<Comparison::kNotEqual>},
      {"!=", {"other"}, compares<Comparison::kNotEqual>},
      {"lt", {"other"}, compares<Comparison::kLess>},
      {"lessthan", {"other"}, compares<Comparison::kLess>},
      {"<", {"other"}, compares<Comparison::kLess>},
      {"le", {"other"}, compares<Comparison::kLessEqual>},
      {"<=", {"other"}, compares<Comparison::kLessEqual>},
      {"gt", {"other"}, compares<Comparison::kGreater>},
      {"greaterthan", {"other"}, compares<Comparison::kGreater>},
      {">", {"other"}, compares<Comparison::kGreater>},
      {"ge", {"other"}, compares<Comparison::kGreaterEqual>},
      {">=", {"other"}, compares<Comparison::kGreaterEqual>},
  };
  return tests;
}

}  // namespace

const TestEntry* find_test(std::string_view name) {
  const auto& tests = all_tests();
  const auto found = std::find_if(tests.begin(), tests.end(),
                                  [&](const TestEntry& entry) { return entry.name == name; });
  return found == tests.end() ? nullptr : &*found;
}

Result<bool> apply_test(Runtime& runtime, const TestEntry& test, const Value& input,
                        const Arguments& arguments) {
  WEFT_TRY(const Frame frame, runtime.enter());
  WEFT_CHECK(runtime.step());
  WEFT_TRY(const Bound bound,
           Bound::bind(runtime, cat("the test '", test.name, "'"), test.parameters, arguments));
  return test.apply(runtime, input, bound);
}

}  // namespace weft::model::jinja
