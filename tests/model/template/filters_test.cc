#include "model/template/filters.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(Filters, FiltersText) {
  expect_renderings({
      {"{{ word|upper }}", "GRÜSSE"},
      {"{{ word|lower }}", "grüße"},
      {"{{ ' a '|trim }}", "a"},
      {"{{ 'xax'|trim('x') }}", "a"},
      {"{{ 'hello wORLD-foo (bar)'|title }}", "Hello World-Foo (Bar)"},
      {"{{ 'aBC'|capitalize }}", "Abc"},
      {"{{ n|string + '1' }}", "71"},
      {"{{ '<a href=\"x\">\\'&'|escape|string }}", "&lt;a href=&#34;x&#34;&gt;&#39;&amp;"},
      {"{{ word|safe }}", "Grüße"},
      {"{{ 'a-b'|replace('-', '') }}", "ab"},
      {"{{ 12|replace('1', 'x') }}", "x2"},
      {"{{ 'ab'|center(6)+'|' }}", "  ab  |"},
      {"{{ 'a\\nb\\n\\nc'|indent }}", "a\n    b\n\n    c"},
      {"{{ 'a\\nb'|indent(2, true) }}", "  a\n  b"},
      {"{{ 'a\\n\\nb'|indent(2, blank=true) }}", "a\n  \n  b"},
      {"{{ 'a\\nb'|indent('> ') }}", "a\n> b"},
      {"{{ 'a\\n'|indent }}", "a\n"},
      {"{{ 'foo bar baz qux'|truncate(9) }}", "foo..."},
      {"{{ 'foo bar baz qux'|truncate(9, true) }}", "foo ba..."},
      {"{{ 'foo bar baz qux'|truncate(11) }}", "foo bar baz qux"},
      {"{{ 'foo bar baz qux'|truncate(11, False, '...', 0) }}", "foo bar..."},
  });
}

TEST(Filters, ConvertsNumbers) {
  expect_renderings({
      {"{{ '42'|int }}", "42"},
      {"{{ ' 42 '|int }}", "42"},
      {"{{ 'x'|int }}", "0"},
      {"{{ 'x'|int(5) }}", "5"},
      {"{{ '3.9'|int }}", "3"},
      {"{{ 3.9|int }}", "3"},
      {"{{ -3.9|int }}", "-3"},
      {"{{ 'ff'|int(0, 16) }}", "255"},
      {"{{ none|int }}", "0"},
      {"{{ true|int }}", "1"},
      {"{{ '1.5'|float }}", "1.5"},
      {"{{ 'x'|float }}", "0.0"},
      {"{{ 'x'|float(2) }}", "2"},
      {"{{ 3|float }}", "3.0"},
      {"{{ -3|abs }}", "3"},
      {"{{ 2.5|round }}", "2.0"},
      {"{{ 3.5|round }}", "4.0"},
      {"{{ 2.675|round(2) }}", "2.67"},
      {"{{ 42.55|round(1, 'ceil') }}", "42.6"},
      {"{{ 42.55|round(1, 'floor') }}", "42.5"},
      {"{{ 7|round }}", "7"},
      {"{{ 1234|round(-2) }}", "1200"},
      {"{{ '1e3'|int }}", "1000"},
      {"{{ '-7'|int }}", "-7"},
  });
}

TEST(Filters, FiltersLists) {
  expect_renderings({
      {"{{ list|first }}", "3"},
      {"{{ list|last }}", "2"},
      {"{{ word|first }}", "G"},
      {"{{ map|first }}", "b"},
      {"{{ nope|first }}", ""},
      {"{{ empty|last is defined }}", "False"},
      {"{{ list|sort }}", "[1, 2, 3]"},
      {"{{ names|sort }}", "['Al', 'bob', 'cy']"},
      {"{{ names|sort(case_sensitive=true) }}", "['Al', 'bob', 'cy']"},
      {"{{ list|sort(reverse=true) }}", "[3, 2, 1]"},
      {"{{ users|sort(attribute='age')|map(attribute='name')|list }}", "['Al', 'bob']"},
      {"{{ list|reverse|list }}", "[2, 1, 3]"},
      {"{{ word|reverse }}", "eßürG"},
      {"{{ names|join(', ') }}", "bob, Al, cy"},
      {"{{ list|join }}", "312"},
      {"{{ users|join('/', attribute='name') }}", "bob/Al"},
      {"{{ [1, none, true]|join('-') }}", "1-None-True"},
      {"{{ names|map('upper')|list }}", "['BOB', 'AL', 'CY']"},
      {"{{ users|map(attribute='age')|list }}", "[30, 25]"},
      {"{{ users|map(attribute='tags', default='-')|list }}", "[['x'], '-']"},
      {"{{ names|map('replace', 'b', 'p')|join }}", "popAlcy"},
      {"{{ list|select('odd')|list }}", "[3, 1]"},
      {"{{ list|reject('odd')|list }}", "[2]"},
      {"{{ list|select('gt', 1)|list }}", "[3, 2]"},
      {"{{ [0, 1, '']|select|list }}", "[1]"},
      {"{{ users|selectattr('tags')|map(attribute='name')|list }}", "['bob']"},
      {"{{ users|selectattr('name', 'equalto', 'Al')|list|length }}", "1"},
      {"{{ users|rejectattr('age', '>', 26)|map(attribute='name')|list }}", "['Al']"},
      {"{{ users|selectattr('tags', 'defined')|list|length }}", "1"},
      {"{{ map|dictsort }}", "[('a', {'k': [10, 20]}), ('b', 1), ('items', 'mine')]"},
      {"{{ {'B': 2, 'a': 1}|dictsort }}", "[('a', 1), ('B', 2)]"},
      {"{{ {'B': 1, 'a': 2}|dictsort(case_sensitive=true) }}", "[('B', 1), ('a', 2)]"},
      {"{{ {'a': 2, 'b': 1}|dictsort(by='value') }}", "[('b', 1), ('a', 2)]"},
      {"{{ {'a': 2, 'b': 1}|dictsort(reverse=true) }}", "[('b', 1), ('a', 2)]"},
      {"{{ map|items|list|length }}", "3"},
      {"{{ nope|items|list }}", "[]"},
      {"{{ ['a', 'A', 'b']|unique|list }}", "['a', 'b']"},
      {"{{ list|max }}", "3"},
      {"{{ list|min }}", "1"},
      {"{{ names|max }}", "cy"},
      {"{{ users|max(attribute='age') }}", "{'name': 'bob', 'age': 30, 'tags': ['x']}"},
      {"{{ list|sum }}", "6"},
      {"{{ users|sum('age') }}", "55"},
      {"{{ list|sum(start=10) }}", "16"},
      {"{{ list|count }}", "3"},
      {"{{ [3, 1.5, true]|sort }}", "[True, 1.5, 3]"},
      {"{{ [[2, 'b'], [1, 'a']]|sort }}", "[[1, 'a'], [2, 'b']]"},
  });
}

TEST(Filters, FallsBack) {
  expect_renderings({
      {"{{ nope|default('x') }}", "x"},
      {"{{ nothing|default('x') }}", "None"},
      {"{{ nothing|default('x', true) }}", "x"},
      {"{{ ''|d('y', boolean=true) }}", "y"},
      {"{{ 0|default(1) }}", "0"},
      {"{{ nope|default }}", ""},
      {"{{ map.nope|default('z') }}", "z"},
      {"{{ n|attr('x') is defined }}", "False"},
  });
}

TEST(Filters, FiltersBlocks) {
  expect_renderings({
      {"{% filter upper %}a{{ n }}b{% endfilter %}", "A7B"},
      {"{% filter replace('a', 'b')|upper %}aXa{% endfilter %}", "BXB"},
      {"{% set x | trim | upper %}  a {{ n }} {% endset %}[{{ x }}]", "[A 7]"},
  });
}

TEST(Filters, FailsOnWrongArguments) {
  expect_failures({
      {"{{ n|upper(1) }}", "at most 0 arguments"},
      {"{{ n|replace('a') }}", "missing the argument 'new'"},
      {"{{ n|default(x=1) }}", "unexpected keyword"},
      {"{{ list|map('nope') }}", "does not exist"},
      {"{{ n|items }}", "Can only get item pairs from a mapping."},
      {"{{ nope|tojson }}", "not JSON serializable"},
      {"{{ [1, 'a']|sort }}", "not supported between"},
      {"{{ list|select('nope')|list }}", "does not exist"},
      {"{{ nope|int }}", "undefined"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
