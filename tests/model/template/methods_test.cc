#include "model/template/methods.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(Methods, ChangesStrings) {
  expect_renderings({
      {"{{ '  a '.strip()+'|' }}", "a|"},
      {"{{ 'xxaxx'.strip('x') }}", "a"},
      {"{{ '  a '.lstrip()+'|' }}", "a |"},
      {"{{ '  a '.rstrip()+'|' }}", "  a|"},
      {"{{ 'abcba'.strip('ab') }}", "c"},
      {"{{ 'aXb'.upper() }}", "AXB"},
      {"{{ 'straße'.upper() }}", "STRASSE"},
      {"{{ 'ÄB'.lower() }}", "äb"},
      {"{{ 'hello world'.title() }}", "Hello World"},
      {"{{ 'hELLO'.capitalize() }}", "Hello"},
      {"{{ 'a-b'.replace('-', '+') }}", "a+b"},
      {"{{ 'aaa'.replace('a', 'b', 2) }}", "bba"},
      {"{{ 'ab'.replace('', '-') }}", "-a-b-"},
      {"{{ 'ab'.replace('', '-', 2) }}", "-a-b"},
      {"{{ 'abc'.removeprefix('a') }}", "bc"},
      {"{{ 'abc'.removesuffix('c') }}", "ab"},
      {"{{ 'abc'.removeprefix('x') }}", "abc"},
      {"{{ 'ab'.center(7, '*') }}", "***ab**"},
      {"{{ 'abc'.center(6, '*') }}", "*abc**"},
      {"{{ 'a'.ljust(3, '.') }}", "a.."},
      {"{{ 'a'.rjust(3) }}", "  a"},
      {"{{ '-5'.zfill(4) }}", "-005"},
      {"{{ '\\u3000a\\u00a0'.strip() }}", "a"},
  });
}

TEST(Methods, SplitsAndJoins) {
  expect_renderings({
      {"{{ 'a b  c'.split() }}", "['a', 'b', 'c']"},
      {"{{ 'a b  c'.split(' ') }}", "['a', 'b', '', 'c']"},
      {"{{ ' a b c '.split(none, 1) }}", "['a', 'b c ']"},
      {"{{ 'a,b,c'.split(',', 1) }}", "['a', 'b,c']"},
      {"{{ 'a,b,c'.rsplit(',', 1) }}", "['a,b', 'c']"},
      {"{{ ' a b c '.rsplit(none, 1) }}", "[' a b', 'c']"},
      {"{{ 'a b'.rsplit() }}", "['a', 'b']"},
      {"{{ ''.split() }}", "[]"},
      {"{{ ''.split(',') }}", "['']"},
      {"{{ 'a\\nb\\r\\nc\\n'.splitlines() }}", "['a', 'b', 'c']"},
      {"{{ 'a=b=c'.partition('=') }}", "('a', '=', 'b=c')"},
      {"{{ 'a=b=c'.rpartition('=') }}", "('a=b', '=', 'c')"},
      {"{{ 'abc'.partition('x') }}", "('abc', '', '')"},
      {"{{ 'abc'.rpartition('x') }}", "('', '', 'abc')"},
      {"{{ ', '.join(names) }}", "bob, Al, cy"},
      {"{{ ''.join([]) }}", ""},
      {"{{ 'a</t>b</t>'.split('</t>')[-1] }}", ""},
  });
}

TEST(Methods, AsksStrings) {
  expect_renderings({
      {"{{ 'abc'.startswith('ab') }}", "True"},
      {"{{ 'abc'.startswith(('x', 'a')) }}", "True"},
      {"{{ 'abc'.endswith('bc') }}", "True"},
      {"{{ 'abcb'.find('b') }}", "1"},
      {"{{ 'abcb'.rfind('b') }}", "3"},
      {"{{ 'éa'.find('a') }}", "1"},
      {"{{ 'abc'.find('x') }}", "-1"},
      {"{{ 'abc'.index('c') }}", "2"},
      {"{{ 'banana'.count('an') }}", "2"},
      {"{{ 'aaa'.count('') }}", "4"},
      {"{{ '12'.isdigit() }}", "True"},
      {"{{ ''.isdigit() }}", "False"},
      {"{{ 'ab1'.isalnum() }}", "True"},
      {"{{ 'é'.isalpha() }}", "True"},
      {"{{ ' \\n'.isspace() }}", "True"},
      {"{{ 'AB1'.isupper() }}", "True"},
      {"{{ 'ab'.islower() }}", "True"},
      {"{{ 'é'.isascii() }}", "False"},
      {"{{ 'aa'.rindex('a') }}", "1"},
  });
}

TEST(Methods, AsksListsAndDicts) {
  expect_renderings({
      {"{{ [1, 2, 1].count(1) }}", "2"},
      {"{{ [1, 2].index(2) }}", "1"},
      {"{{ (1, 1).count(1) }}", "2"},
      {"{{ map.copy().b }}", "1"},
      {"{{ list.copy() }}", "[3, 1, 2]"},
      {"{{ {'a': 1}.items()|list }}", "[('a', 1)]"},
  });
}

TEST(Methods, FailsOnWrongArguments) {
  expect_failures({
      {"{{ 'a'.index('b') }}", "substring not found"},
      {"{{ 'a'.split('') }}", "empty separator"},
      {"{{ ''.join([1]) }}", "expected str instance"},
      {"{{ 'a'.upper(1) }}", "at most 0"},
      {"{{ 'a'.startswith(1) }}", "must be str"},
      {"{{ 'a'.center(5, 'ab') }}", "one character"},
      {"{{ [].index(1) }}", "not in the list"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
