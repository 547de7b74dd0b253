#include "model/template/interpreter.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(Interpreter, Loops) {
  expect_renderings({
      {"{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revin"
       "dex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
       "1032TrueFalse3;2121FalseFalse3;3210FalseTrue3;"},
      {"{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
       "<3>1 3<1>2 1<2> "},
      {"{% for x in list %}{{ loop.previtem is defined }}{% endfor %}", "FalseTrueTrue"},
      {"{% for x in list %}{{ loop.cycle('a', 'b') }}{% endfor %}", "aba"},
      {"{% for x in empty %}a{% else %}none{% endfor %}", "none"},
      {"{% for x in list if x > 1 %}{{ x }}{{ loop.length }}{% else %}-{% endfor %}", "3222"},
      {"{% for x in list if x > 5 %}{{ x }}{% else %}-{% endfor %}", "-"},
      {"{% for x in list %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "32"},
      {"{% for x in list %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "3"},
      {"{% for x in list %}{% for y in names %}{{ loop.index }}{% break %}{% endfor %}{{ loo"
       "p.index }}{% endfor %}",
       "111213"},
      {"{% for k in map %}{{ k }}{% endfor %}", "baitems"},
      {"{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}",
       "b=1;a={'k': [10, 20]};items=mine;"},
      {"{% for k, v in map|items %}{{ k }}{% endfor %}", "baitems"},
      {"{% for c in word %}{{ c }}.{% endfor %}", "G.r.ü.ß.e."},
      {"{% for x in nope %}a{% endfor %}b", "b"},
      {"{% for x in list %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}", "101010"},
  });
}

TEST(Interpreter, ScopesAsJinjaDoes) {
  expect_renderings({
      {"{% set x = 1 %}{% for i in list %}{{ x }}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}",
       "1212121"},
      {"{% if yes %}{% set x = 5 %}{% endif %}{{ x }}", "5"},
      {"{% set ns = namespace(x=0) %}{% for i in list %}{% set ns.x = ns.x + i %}{% endfor %"
       "}{{ ns.x }}",
       "6"},
      {"{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b is defined }}", "1False"},
      {"{% for n in [1] %}{{ n }}{% endfor %}{{ n }}", "17"},
      {"{% set n = 1 %}{% macro f() %}{{ n }}{% endmacro %}{% set n = 2 %}{{ f() }}", "2"},
      {"{% macro f() %}{% set n = 9 %}{{ n }}{% endmacro %}{{ f() }}{{ n }}", "97"},
      {"{% with a = 1, b = n %}{{ a }}{{ b }}{% set c = 3 %}{% endwith %}{{ a is defined }}{"
       "{ c is defined }}",
       "17FalseFalse"},
      {"{% set x %}a{{ n }}b{% endset %}{{ x|length }}{{ x }}", "3a7b"},
      {"{% for x in list %}{% set y %}<{{ x }}>{% endset %}{{ y }}{% endfor %}{{ y is defined }}",
       "<3><1><2>False"},
      {"{% for x in list %}{% if loop.first %}{% set first = true %}{% endif %}{{ first is d"
       "efined }}{% endfor %}",
       "TrueFalseFalse"},
      {"{% for x in list %}{% set x = x * 2 %}{{ x }}{% endfor %}", "624"},
  });
}

TEST(Interpreter, CallsMacros) {
  expect_renderings({
      {"{% macro f(a, b=2, c=b) %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ f(1) }}{{ f(1, 5) }"
       "}{{ f(c=3, a=9) }}{{ f() }}",
       "122;155;923;22;"},
      {"{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
       "321"},
      {"{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, a=3) }}",
       "(1, 2){'a': 3}"},
      {"{% macro f(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call f('b') %}x{{ "
       "n }}{% endcall %}",
       "<b>x7</b>"},
      {"{% macro f() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) f() %}{{ a + b }}{% end"
       "call %}",
       "3"},
      {"{% macro f() %}a{% endmacro %}{{ f()|upper }}{{ f() ~ f() }}{{ f()|length }}", "Aaa1"},
      {"{% macro f(a) %}{{ a is defined }}{% endmacro %}{{ f() }}", "False"},
      {"{% macro f() %}{% for x in list %}{{ x }}{% endfor %}{% endmacro %}{% for y in [1, 2"
       "] %}{{ f() }}{% endfor %}",
       "312312"},
      {"{% macro f() %}{% if caller is defined %}y{% else %}n{% endif %}{% endmacro %}{{ f() }}",
       "n"},
  });
}

TEST(Interpreter, FailsAsJinjaDoes) {
  expect_failures({
      {"{{ nope.x }}", "'nope' is undefined"},
      {"{{ map.nope.x }}", "'dict object' has no attribute 'nope'"},
      {"{{ nope + 1 }}", "'nope' is undefined"},
      {"{{ nope() }}", "'nope' is undefined"},
      {"{{ n() }}", "not callable"},
      {"{% for x in n %}{% endfor %}", "not iterable"},
      {"{% set a, b = [1] %}", "cannot unpack"},
      {"{% set map.x = 1 %}", "non-namespace"},
      {"{% macro f() %}{% endmacro %}{{ f(1) }}", "not more than 0"},
      {"{% macro f() %}{% endmacro %}{{ f(a=1) }}", "no keyword argument 'a'"},
      {"{% macro f(a) %}{% endmacro %}{{ f(1, a=2) }}", "multiple values"},
      {"{{ {[]: 1} }}", "unhashable"},
      {"{{ nothing.x.y }}", "'None' has no attribute 'x'"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
