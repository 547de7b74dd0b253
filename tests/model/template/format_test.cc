#include "model/template/format.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(Format, FormatsByPercent) {
  expect_renderings({
      {"{{ '%s and %r' % ('a', 'b') }}", "a and 'b'"},
      {"{{ '%d|%5d|%-5d|%05d|%+d' % (1, 2, 3, 4, 5) }}", "1|    2|3    |00004|+5"},
      {"{{ '%.2f %5.1f %e %g' % (1.005, 2.25, 1234.5, 0.0001) }}",
       "1.00   2.2 1.234500e+03 0.0001"},
      {"{{ '%x %X %o %%' % (255, 255, 8) }}", "ff FF 10 %"},
      {"{{ '%(a)s-%(b)d' % {'a': 1, 'b': 2} }}", "1-2"},
      {"{{ '%s' % n }}", "7"},
      {"{{ '%10s|%-10s|' % ('é', 'é') }}", "         é|é         |"},
      {"{{ '%.2s' % 'abc' }}", "ab"},
      {"{{ '%i' % 3.9 }}", "3"},
      {"{{ '%s %s'|format(1, 'x') }}", "1 x"},
      {"{{ '%(a)s'|format(a=1) }}", "1"},
      {"{{ '%c' % 'x' }}", "x"},
      {"{{ '%05.1f' % -2.5 }}", "-02.5"},
      {"{{ '% d' % 3 }}", " 3"},
  });
}

TEST(Format, FormatsByBraces) {
  expect_renderings({
      {"{{ '{} {}'.format(1, 'a') }}", "1 a"},
      {"{{ '{1}{0}'.format('a', 'b') }}", "ba"},
      {"{{ '{x}={{}}'.format(x=n) }}", "7={}"},
  });
}

TEST(Format, FailsOnWrongFormats) {
  expect_failures({
      {"{{ '%s %s' % 1 }}", "not enough arguments"},
      {"{{ '%s' % (1, 2) }}", "not all arguments"},
      {"{{ '%d' % 'a' }}", "a number is required"},
      {"{{ '%y' % 1 }}", "unsupported format character"},
      {"{{ '%9999999999d' % 1 }}", "too wide"},
      {"{{ '%' % 1 }}", "incomplete"},
      {"{{ '{0.x}'.format(1) }}", "does not support"},
      {"{{ '{'.format(1) }}", "unmatched"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
