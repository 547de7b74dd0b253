#include "model/template/functions.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(Functions, MakesRangesDictsAndNamespaces) {
  expect_renderings({
      {"{{ range(3)|list }}", "[0, 1, 2]"},
      {"{{ range(1, 3)|list }}", "[1, 2]"},
      {"{{ range(3, 0, -1)|list }}", "[3, 2, 1]"},
      {"{{ range(0)|list }}", "[]"},
      {"{{ range(3) }}", "range(0, 3)"},
      {"{{ range(2, 8, 2)|list }}", "[2, 4, 6]"},
      {"{{ dict(a=1, b=2) }}", "{'a': 1, 'b': 2}"},
      {"{{ dict({'a': 1}, b=2) }}", "{'a': 1, 'b': 2}"},
      {"{{ dict([('a', 1)]) }}", "{'a': 1}"},
      {"{{ namespace({'a': 1}, b=2).b }}", "2"},
      {"{{ range(10)[3] }}", "3"},
      {"{{ range(5)|length }}", "5"},
  });
}

TEST(Functions, TellsTheTime) {
  expect_renderings({
      {"{{ strftime_now('%Y-%m-%d %H:%M:%S') }}", "2026-11-21 09:30:00"},
      {"{{ strftime_now('%d %b %Y') }}", "21 Nov 2026"},
      {"{{ strftime_now('%B %A %a %j %y %I %p') }}", "November Saturday Sat 325 26 09 AM"},
      {"{{ strftime_now('%-d %-m %-H %-I') }}", "21 11 9 9"},
      {"{{ strftime_now('100%% %Z') }}", "100% "},
      {"{{ strftime_now('') }}", ""},
  });
}

TEST(Functions, FailsOnWrongArguments) {
  expect_failures({
      {"{{ range() }}", "missing"},
      {"{{ range(1, 2, 0) }}", "must not be zero"},
      {"{{ range('a') }}", "as an integer"},
      {"{{ raise_exception('no') }}", "no"},
      {"{{ dict(1) }}", "not iterable"},
      {"{{ range(100001) }}", "at most 100000"},
      {"{{ strftime_now(1) }}", "a string is needed"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
