#include "model/template/parser.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(Parser, TellsTagsApart) {
  expect_renderings({
      {"{% if n == 7 %}a{% elif n %}b{% else %}c{% endif %}", "a"},
      {"{% if not n %}a{% elif n > 3 %}b{% else %}c{% endif %}", "b"},
      {"{% if nope %}a{% endif %}", ""},
      {"{% for a, b in map.items() if b %}{{ a }}{% endfor %}", "baitems"},
      {"{% for (a, (b, c)) in [(1, (2, 3))] %}{{ a + b + c }}{% endfor %}", "6"},
      {"{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12"},
      {"{% set x = 1 if n else 2 %}{{ x }}", "1"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
