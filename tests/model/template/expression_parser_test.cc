#include "model/template/expression_parser.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(ExpressionParser, BindsOperatorsAsJinjaDoes) {
  expect_renderings({
      {"{{ 1 + 2 * 3 }}", "7"},
      {"{{ (1 + 2) * 3 }}", "9"},
      {"{{ 2 ** 3 ** 2 }}", "64"},
      {"{{ -2 ** 2 }}", "4"},
      {"{{ -n|abs }}", "7"},
      {"{{ not n == 7 }}", "False"},
      {"{{ n == 7 and not nope or false }}", "True"},
      {"{{ 1 ~ 2 * 3 }}", "16"},
      {"{{ 'a' + 2 ~ 3 }}", "a23"},
      {"{{ n if yes else 'no' }}", "7"},
      {"{{ 'x' if false }}", ""},
      {"{{ 'a' if false else 'b' if false else 'c' }}", "c"},
      {"{{ 1 < 2 < 3 }}", "True"},
      {"{{ 1 < 2 > 3 }}", "False"},
      {"{{ n in [7] and 'a' not in names }}", "True"},
      {"{{ n is defined and n is not none }}", "True"},
      {"{{ not n is string }}", "True"},
      {"{{ n is divisibleby 7 }}", "True"},
      {"{{ n is divisibleby(2) }}", "False"},
      {"{{ names[0].upper()[1:]|lower }}", "ob"},
      {"{{ map.a.k[1] }}", "20"},
      {"{{ map['a'].k.0 }}", "10"},
      {"{{ 'a,b'.split(',')[1] }}", "b"},
      {"{{ {'a': 1}.a }}", "1"},
      {"{{ [1, 2][-1] }}", "2"},
      {"{{ nope is defined }}", "False"},
      {"{{ nope is undefined }}", "True"},
      {"{{ x.y if x is defined else 'none' }}", "none"},
      {"{{ 1 if n is odd else 0 }}", "1"},
      {"{{ n is in [1, 7] }}", "True"},
      {"{{ '%s-%s' % (1, 'a') }}", "1-a"},
      {"{{ true and True and not False and none is none }}", "True"},
      {"{{ [1,2,3][::-1] }}", "[3, 2, 1]"},
      {"{{ 'abc'[1] }}", "b"},
      {"{{ namespace(a=1).a }}", "1"},
      {"{{ (1 if yes else 2) + 1 }}", "2"},
      {"{{ 7 // 2 * 2 }}", "6"},
      {"{{ [n, -n][1] }}", "-7"},
      {"{{ 'a' 'b' ~ 'c' }}", "abc"},
      {"{{ n == 7 == true }}", "False"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
