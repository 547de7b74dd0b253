#include "model/template/write.h"

#include "tests/model/template/render.h"

namespace weft::model::jinja {
namespace {

TEST(Write, PrintsAsPythonDoes) {
  expect_renderings({
      {"{{ n }}", "7"},
      {"{{ pi }}", "3.5"},
      {"{{ yes }}", "True"},
      {"{{ nothing }}", "None"},
      {"{{ word }}", "Grüße"},
      {"{{ nope }}", ""},
      {"{{ list }}", "[3, 1, 2]"},
      {"{{ map }}", "{'b': 1, 'a': {'k': [10, 20]}, 'items': 'mine'}"},
      {"{{ users[0] }}", "{'name': 'bob', 'age': 30, 'tags': ['x']}"},
      {"{{ [none, true, 1.0, 'a'] }}", "[None, True, 1.0, 'a']"},
      {"{{ ('a',) }}", "('a',)"},
      {"{{ ['it\\'s'] }}", "[\"it's\"]"},
      {"{{ ['\\\"'] }}", "['\"']"},
      {"{{ ['\\'\\\"'] }}", "['\\'\"']"},
      {"{{ ['\\n\\t\\\\'] }}", "['\\n\\t\\\\']"},
      {"{{ ['é\\u200b\\x01'] }}", "['é\\u200b\\x01']"},
      {"{{ 1e16 }}", "1e+16"},
      {"{{ 1e15 }}", "1000000000000000.0"},
      {"{{ 1e-5 }}", "1e-05"},
      {"{{ 0.0001 }}", "0.0001"},
      {"{{ 123456789.123 }}", "123456789.123"},
      {"{{ 1e300 }}", "1e+300"},
      {"{{ -0.0 }}", "-0.0"},
      {"{{ 100.0 }}", "100.0"},
      {"{{ {'a': (1, 2)} }}", "{'a': (1, 2)}"},
      {"{{ [range(3)] }}", "[range(0, 3)]"},
      {"{{ map.items() }}", "dict_items([('b', 1), ('a', {'k': [10, 20]}), ('items', 'mine')])"},
      {"{{ map.keys() }}", "dict_keys(['b', 'a', 'items'])"},
      {"{{ ['🎉'] }}", "['🎉']"},
      {"{{ [nope] }}", "[Undefined]"},
      {"{{ 1e22 }}", "1e+22"},
      {"{{ 5e-324 }}", "5e-324"},
      {"{{ [1.5e16] }}", "[1.5e+16]"},
      {"{{ namespace(a=1) }}", "<Namespace {'a': 1}>"},
  });
}

TEST(Write, WritesJson) {
  expect_renderings({
      {"{{ map|tojson }}", "{\"b\": 1, \"a\": {\"k\": [10, 20]}, \"items\": \"mine\"}"},
      {"{{ users|tojson(indent=2) }}",
       "[\n  {\n    \"name\": \"bob\",\n    \"age\": 30,\n    \"tags\": [\n      \"x\"\n    "
       "]\n  },\n  {\n    \"name\": \"Al\",\n    \"age\": 25\n  }\n]"},
      {"{{ []|tojson(indent=2) }}", "[]"},
      {"{{ {'a': []}|tojson(indent=4) }}", "{\n    \"a\": []\n}"},
      {"{{ word|tojson }}", "\"Grüße\""},
      {"{{ word|tojson(ensure_ascii=true) }}", "\"Gr\\u00fc\\u00dfe\""},
      {"{{ '🎉'|tojson(true) }}", "\"\\ud83c\\udf89\""},
      {"{{ '<&>\\'\\\"\\\\\\n\\x01/'|tojson }}", "\"<&>'\\\"\\\\\\n\\u0001/\""},
      {"{{ [1, 1.0, true, none, 1e20]|tojson }}", "[1, 1.0, true, null, 1e+20]"},
      {"{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }}", "{\"a\": 2, \"b\": 1}"},
      {"{{ [1, 2]|tojson(separators=(',', ':')) }}", "[1,2]"},
      {"{{ {1: 2, none: 3, true: 4}|tojson }}", "{\"1\": 4, \"null\": 3}"},
      {"{{ (1, 2)|tojson }}", "[1, 2]"},
      {"{{ [[1]]|tojson(indent=0) }}", "[\n[\n1\n]\n]"},
      {"{{ {'a': {'b': [1, {}]}}|tojson(indent=1) }}",
       "{\n \"a\": {\n  \"b\": [\n   1,\n   {}\n  ]\n }\n}"},
      {"{{ '\\x7f\\u2028'|tojson }}", "\" \""},
  });
}

TEST(Write, FailsOnWhatJsonCannotSay) {
  expect_failures({
      {"{{ {(1, 2): 3}|tojson }}", "keys must be str"},
      {"{{ range|tojson }}", "not JSON serializable"},
      {"{{ [1]|tojson(separators=1) }}", "pair of strings"},
  });
}

}  // namespace
}  // namespace weft::model::jinja
