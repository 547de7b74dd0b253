#include "model/template/access.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(Access, FindsAttributesAndItems) {
  expect_renderings({
      {"{{ map.b }}", "1"},
      {"{{ map['b'] }}", "1"},
      {"{{ map.items()|list|length }}", "3"},
      {"{{ map['items'] }}", "mine"},
      {"{{ map.nope }}", ""},
      {"{{ map.nope is defined }}", "False"},
      {"{{ users[0].name }}", "bob"},
      {"{{ users[5] }}", ""},
      {"{{ users[-1]['name'] }}", "Al"},
      {"{{ word[3] }}", "ß"},
      {"{{ word[-1] }}", "e"},
      {"{{ word[10] is defined }}", "False"},
      {"{{ n.x is defined }}", "False"},
      {"{{ nothing.x is defined }}", "False"},
      {"{{ map.a.k.1 }}", "20"},
      {"{{ map.get('b') }}", "1"},
      {"{{ map.get('z') }}", "None"},
      {"{{ map.get('z', 5) }}", "5"},
      {"{{ map.keys()|list }}", "['b', 'a', 'items']"},
      {"{{ map.values()|list }}", "[1, {'k': [10, 20]}, 'mine']"},
      {"{{ list.append is defined }}", "False"},
      {"{{ map['a']['k'][0] }}", "10"},
      {"{{ {1: 'x'}[1] }}", "x"},
      {"{{ {true: 'x'}[1.0] }}", "x"},
  });
}

TEST(Access, Slices) {
  expect_renderings({
      {"{{ word[1:3] }}", "rü"},
      {"{{ word[::-1] }}", "eßürG"},
      {"{{ word[-2:] }}", "ße"},
      {"{{ word[:-2] }}", "Grü"},
      {"{{ word[::2] }}", "Güe"},
      {"{{ word[4:1:-1] }}", "eßü"},
      {"{{ word[10:] }}", ""},
      {"{{ list[1:] }}", "[1, 2]"},
      {"{{ list[::-1] }}", "[2, 1, 3]"},
      {"{{ list[-1:] }}", "[2]"},
      {"{{ list[5:1] }}", "[]"},
      {"{{ list[:100] }}", "[3, 1, 2]"},
      {"{{ list[::-2] }}", "[2, 3]"},
      {"{{ (1,2,3)[1:] }}", "(2, 3)"},
      {"{{ list[none:2] }}", "[3, 1]"},
      {"{{ range(10)[2:4]|list }}", "[2, 3]"},
      {"{{ word[:0] }}", ""},
      {"{{ list[-100:2] }}", "[3, 1]"},
  });
}

TEST(Access, CountsAndIterates) {
  expect_renderings({
      {"{{ word|length }}", "5"},
      {"{{ list|length }}", "3"},
      {"{{ map|length }}", "3"},
      {"{{ nope|length }}", "0"},
      {"{{ word|list }}", "['G', 'r', 'ü', 'ß', 'e']"},
      {"{{ map|list }}", "['b', 'a', 'items']"},
      {"{{ nope|list }}", "[]"},
      {"{{ range(4)|list }}", "[0, 1, 2, 3]"},
      {"{{ range(5, 1, -2)|list }}", "[5, 3]"},
  });
}

TEST(Access, RefusesWhatTheSandboxRefuses) {
  expect_failures({
      {"{{ list.append(1) }}", "access to attribute 'append' of 'list' object is unsafe."},
      {"{{ map.pop('b') }}", "access to attribute 'pop' of 'dict' object is unsafe."},
      {"{{ word.__class__.__mro__ }}",
       "access to attribute '__class__' of 'str' object is unsafe."},
      {"{{ n[1:] }}", "sliced"},
      {"{{ list['a':] }}", "slice indices"},
      {"{{ list[::0] }}", "cannot be zero"},
      {"{{ n|length }}", "has no len()"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
