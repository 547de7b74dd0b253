#include "model/template/lexer.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(Lexer, StripsWhiteSpaceAroundTags) {
  expect_renderings({
      {"a\n  {% if yes %}\n  b\n  {% endif %}\nc", "a\n  b\nc"},
      {"a {%- if yes -%} b {%- endif -%} c", "abc"},
      {"a  {{- n -}}  b", "a7b"},
      {"a\n{{ n }}\nb", "a\n7\nb"},
      {"a\n  {%+ if yes %}x{% endif %}", "a\n  x"},
      {"a\n  {% if yes +%}\nx{% endif %}\n", "a\n\nx"},
      {"  {# note #}\nx", "x"},
      {"x {#- note -#} y", "xy"},
      {"x{##}y", "xy"},
      {"{% raw %}{{ x }}{% endraw %}", "{{ x }}"},
      {"a\n  {%- raw -%}  {{ x }} \n {%- endraw -%}\n b", "a{{ x }}b"},
      {"a\r\nb\rc\n", "a\nb\nc"},
      {"{{ n }}\n\n", "7\n"},
      {"  {% set a = 1 %}  {% set b = 2 %}\nx", "  x"},
      {"\n\n  {%- set a = 1 %}\n\nx", "\nx"},
      {"x {# a #}{# b #} y", "x  y"},
      {"  {% if yes %}\n    {{ n }}\n  {% endif %}\n", "    7\n"},
      {"{{ '}}' }}{{ '%}' }}", "}}%}"},
      {"{ {n} }", "{ {n} }"},
      {"{{ {'a': {'b': 1}}['a']['b'] }}", "1"},
  });
}

TEST(Lexer, ReadsLiterals) {
  expect_renderings({
      {"{{ 'a\\n\\t\\\\\\'b' }}", "a\n\t\\'b"},
      {"{{ \"\\x41\\u00e9\\U0001F389\\q\" }}", "Aé🎉\\q"},
      {"{{ '\\101' }}", "A"},
      {"{{ 1_000 }}", "1000"},
      {"{{ 0x1F }}", "31"},
      {"{{ 0b101 }}", "5"},
      {"{{ 0o17 }}", "15"},
      {"{{ 1.5e3 }}", "1500.0"},
      {"{{ 1e-2 }}", "0.01"},
      {"{{ 2.0 }}", "2.0"},
      {"{{ 'a' 'b' }}", "ab"},
      {"{{ [1, 2,] }}", "[1, 2]"},
      {"{{ {'a': 1,} }}", "{'a': 1}"},
      {"{{ (1,) }}", "(1,)"},
      {"{{ () }}", "()"},
      {"{{ 1, 2 }}", "(1, 2)"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
