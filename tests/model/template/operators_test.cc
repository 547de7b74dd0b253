#include "model/template/operators.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(Operators, CalculatesAsPythonDoes) {
  expect_renderings({
      {"{{ 7 // 2 }}", "3"},
      {"{{ -7 // 2 }}", "-4"},
      {"{{ 7 % -3 }}", "-2"},
      {"{{ -7 % 3 }}", "2"},
      {"{{ 7 / 2 }}", "3.5"},
      {"{{ 6 / 2 }}", "3.0"},
      {"{{ 2 ** 10 }}", "1024"},
      {"{{ 2 ** -1 }}", "0.5"},
      {"{{ 2 ** 0.5 }}", "1.4142135623730951"},
      {"{{ 1.5 + 1 }}", "2.5"},
      {"{{ 7.5 // 2 }}", "3.0"},
      {"{{ -7.5 % 2 }}", "0.5"},
      {"{{ true + 1 }}", "2"},
      {"{{ 'ab' * 3 }}", "ababab"},
      {"{{ 3 * [1] }}", "[1, 1, 1]"},
      {"{{ [1] + [2] }}", "[1, 2]"},
      {"{{ (1,) + (2,) }}", "(1, 2)"},
      {"{{ 'a' + 'b' }}", "ab"},
      {"{{ +n }}", "7"},
      {"{{ -true }}", "-1"},
      {"{{ 1e16 * 10 }}", "1e+17"},
      {"{{ 0.1 + 0.2 }}", "0.30000000000000004"},
      {"{{ 5 * 0 == 0.0 }}", "True"},
      {"{{ 'a' * -1 }}", ""},
  });
}

TEST(Operators, ComparesAsPythonDoes) {
  expect_renderings({
      {"{{ 1 == 1.0 }}", "True"},
      {"{{ 1 == true }}", "True"},
      {"{{ 'a' < 'b' }}", "True"},
      {"{{ [1, 2] < [1, 3] }}", "True"},
      {"{{ (1, 2) == (1, 2) }}", "True"},
      {"{{ [1] == (1,) }}", "False"},
      {"{{ {'a': 1} == {'a': 1.0} }}", "True"},
      {"{{ none == none }}", "True"},
      {"{{ nope == nope2 }}", "True"},
      {"{{ 'é' > 'z' }}", "True"},
      {"{{ 1 in [1.0] }}", "True"},
      {"{{ 'b' in map }}", "True"},
      {"{{ 'ü' in word }}", "True"},
      {"{{ 1 in {1.0: 2} }}", "True"},
      {"{{ 'x' in nope }}", "False"},
      {"{{ 2 >= 2 }}", "True"},
      {"{{ 2 != 2 }}", "False"},
      {"{{ 'a' != 1 }}", "True"},
      {"{{ range(3) == range(3) }}", "True"},
      {"{{ [] == [] }}", "True"},
      {"{{ {} == [] }}", "False"},
  });
}

TEST(Operators, FailsOnWrongTypes) {
  expect_failures({
      {"{{ 'a' + 1 }}", "can only concatenate str (not \"int\") to str"},
      {"{{ 1 + 'a' }}", "unsupported operand"},
      {"{{ 1 / 0 }}", "division by zero"},
      {"{{ 1 // 0 }}", "by zero"},
      {"{{ 1.0 % 0 }}", "by zero"},
      {"{{ 1 < 'a' }}", "not supported between"},
      {"{{ -'a' }}", "unary -"},
      {"{{ 1 in 5 }}", "not iterable"},
      {"{{ 1 in 'a' }}", "requires string"},
      {"{{ 9223372036854775807 + 1 }}", "64 bits"},
      {"{{ 2 ** 64 }}", "64 bits"},
      {"{{ 9223372036854775807 * 2 }}", "64 bits"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
