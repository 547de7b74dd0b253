#include "model/template/tests.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(Tests, TestsValues) {
  expect_renderings({
      {"{{ n is defined }}", "True"},
      {"{{ nope is defined }}", "False"},
      {"{{ nope is undefined }}", "True"},
      {"{{ nothing is none }}", "True"},
      {"{{ n is none }}", "False"},
      {"{{ n is number }}", "True"},
      {"{{ yes is number }}", "True"},
      {"{{ pi is float }}", "True"},
      {"{{ n is integer }}", "True"},
      {"{{ yes is integer }}", "False"},
      {"{{ yes is boolean }}", "True"},
      {"{{ n is boolean }}", "False"},
      {"{{ word is string }}", "True"},
      {"{{ map is mapping }}", "True"},
      {"{{ list is mapping }}", "False"},
      {"{{ list is sequence }}", "True"},
      {"{{ map is sequence }}", "True"},
      {"{{ word is sequence }}", "True"},
      {"{{ n is sequence }}", "False"},
      {"{{ nope is sequence }}", "True"},
      {"{{ list is iterable }}", "True"},
      {"{{ word is iterable }}", "True"},
      {"{{ n is iterable }}", "False"},
      {"{{ map is iterable }}", "True"},
      {"{{ nope is iterable }}", "True"},
      {"{{ nothing is iterable }}", "False"},
      {"{{ range is callable }}", "True"},
      {"{{ n is callable }}", "False"},
      {"{{ yes is true }}", "True"},
      {"{{ n is true }}", "False"},
      {"{{ false is false }}", "True"},
      {"{{ n is odd }}", "True"},
      {"{{ n is even }}", "False"},
      {"{{ n is divisibleby(7) }}", "True"},
      {"{{ 'ab' is lower }}", "True"},
      {"{{ 'AB' is upper }}", "True"},
      {"{{ n is eq 7 }}", "True"},
      {"{{ n is equalto(7) }}", "True"},
      {"{{ n is ne 7 }}", "False"},
      {"{{ n is gt 3 }}", "True"},
      {"{{ n is ge 7 }}", "True"},
      {"{{ n is lt 3 }}", "False"},
      {"{{ n is le 7 }}", "True"},
      {"{{ n is greaterthan 3 }}", "True"},
      {"{{ n is lessthan 3 }}", "False"},
      {"{{ n is in [7] }}", "True"},
      {"{{ none is sameas none }}", "True"},
      {"{{ list is sameas list }}", "True"},
      {"{{ [] is sameas [] }}", "False"},
      {"{{ 'upper' is filter }}", "True"},
      {"{{ 'nope' is filter }}", "False"},
      {"{{ 'odd' is test }}", "True"},
      {"{{ map.items() is sequence }}", "False"},
      {"{{ map.items() is iterable }}", "True"},
      {"{{ (1,) is sequence }}", "True"},
      {"{{ range(2) is sequence }}", "True"},
      {"{{ 'a' is not string }}", "False"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
