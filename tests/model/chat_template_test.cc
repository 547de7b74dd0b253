#include "model/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "base/text.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

constexpr int64_t kGoldenNow = 1795253400;  // 2026-11-21 09:30:00

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::vector<std::filesystem::path> golden_templates(const std::string& golden) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(golden + "/templates")) {
    if (entry.path().extension() == ".jinja") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

Result<std::string> render(std::string_view source, const Json& variables = Json::object(),
                           const TemplateLimits& limits = {}) {
  WEFT_TRY(const auto parsed, ChatTemplate::parse(source));
  return parsed.render(variables, kGoldenNow, limits);
}

TEST(ChatTemplate, RendersThePublishedTemplatesByteForByte) {
  WEFT_GOLDEN_OR_SKIP(golden);
  size_t cases = 0;
  for (const auto& path : golden_templates(golden)) {
    const auto parsed = ChatTemplate::parse(read(path));
    ASSERT_TRUE(parsed.ok()) << path << ": " << parsed.error().message;
    auto json_path = path;
    for (const Json& example : Json::parse(read(json_path.replace_extension(".json")))) {
      SCOPED_TRACE(cat(path.stem().string(), ", ", example["case"].get<std::string>()));
      const auto rendered = parsed->render(example["input"], kGoldenNow);
      if (example.contains("error")) {
        ASSERT_FALSE(rendered.ok());
        EXPECT_EQ(rendered.error().message, example["error"].get<std::string>());
      } else {
        ASSERT_TRUE(rendered.ok()) << rendered.error().message;
        EXPECT_EQ(*rendered, example["output"].get<std::string>());
      }
      ++cases;
    }
  }
  EXPECT_GE(cases, 147u);
}

TEST(ChatTemplate, SurvivesMutatedTemplates) {
  WEFT_GOLDEN_OR_SKIP(golden);
  std::mt19937_64 random(test::test_seed(18));
  const auto paths = golden_templates(golden);
  TemplateLimits limits;
  limits.steps = 20'000;
  size_t parsed_count = 0;
  for (int round = 0; round < 400; ++round) {
    const auto& path = paths[random() % paths.size()];
    std::string source = read(path);
    const std::string donor = read(paths[random() % paths.size()]);
    for (uint64_t i = 0, count = random() % 4 + 1; i < count; ++i) {
      const size_t at = random() % source.size(), size = random() % 12;
      switch (random() % 4) {
        case 0: source[at] = char(random() % 256); break;
        case 1: source.erase(at, size); break;
        case 2: source.insert(at, source.substr(random() % source.size(), size)); break;
        case 3: source.insert(at, donor.substr(random() % donor.size(), size * 4)); break;
      }
    }
    const auto mutant = ChatTemplate::parse(source);
    if (!mutant.ok()) {
      EXPECT_FALSE(mutant.error().message.empty());
      continue;
    }
    ++parsed_count;
    auto json_path = path;
    const Json examples = Json::parse(read(json_path.replace_extension(".json")));
    const auto rendered = mutant->render(examples[random() % examples.size()]["input"], 0, limits);
    EXPECT_TRUE(!rendered.ok() || is_utf8(*rendered));
  }
  EXPECT_GT(parsed_count, 0u);
}

TEST(ChatTemplate, SaysOnlyTheTemplatesOwnWordsWhenItRaises) {
  const auto rendered = render("a\n{{ raise_exception('Roles must ' ~ 'alternate') }}");
  ASSERT_FALSE(rendered.ok());
  EXPECT_EQ(rendered.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(rendered.error().message, "Roles must alternate");
}

TEST(ChatTemplate, NamesTheLineOfASyntaxError) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\nb\n{{ x ", "line 3"},
      {"{% if x %}\n\n{% else %}", "line 3"},
      {"\n{% endif %}", "line 2"},
      {"\n\n{{ 1 + }}", "line 3"},
      {"{# open", "no end"},
      {"{{ 'open }}", "no end"},
      {"{{ (1] }}", "unexpected ']'"},
      {"{{ x | nothing_like_it }}", "no filter named"},
      {"{{ x is nothing_like_it }}", "no test named"},
      {"{% include 'x' %}", "not supported"},
      {"{% for x in y recursive %}{% endfor %}", "recursive"},
      {"{% break %}", "outside a loop"},
      {"{% set none = 1 %}", "cannot assign"},
      {"{{ f(*x) }}", "not supported"},
      {"{{ 99999999999999999999 }}", "64 bits"},
      {"{{ $ }}", "unexpected character"},
      {"{% macro f(a=1, b) %}{% endmacro %}", "default"},
      {"{% raw %}", "endraw"},
      {"\xff", "UTF-8"},
  };
  for (const auto& [source, part] : cases) {
    const auto parsed = ChatTemplate::parse(source);
    ASSERT_FALSE(parsed.ok()) << source;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid) << source;
    EXPECT_THAT(parsed.error().message, HasSubstr(part)) << source;
  }
}

TEST(ChatTemplate, NamesTheLineOfARuntimeError) {
  const auto rendered = render("a\n\n{{ x.y }}");
  ASSERT_FALSE(rendered.ok());
  EXPECT_EQ(rendered.error().message, "template line 3: 'x' is undefined");
}

TEST(ChatTemplate, RefusesVariablesThatAreNoObject) {
  EXPECT_EQ(render("x", Json::array()).error().code, ErrorCode::kInvalid);
}

std::string repeated(std::string_view part, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += part;
  return text;
}

// FAULTS 18: each must end in an error of a limit, and soon.
TEST(ChatTemplate, EndsHostileTemplatesAtALimit) {
  const std::string loop = "{% for i in range(100000) %}";
  const std::string cases[] = {
      loop + loop + loop + "{% endfor %}{% endfor %}{% endfor %}",
      loop + loop + "x" + "{% endfor %}{% endfor %}",
      loop + "{{ 'x' * 100000 }}{% endfor %}",
      "{% set ns = namespace(s='x') %}" + loop + "{% set ns.s = ns.s + ns.s %}{% endfor %}",
      "{% set ns = namespace(s=['x']) %}" + loop + "{% set ns.s = ns.s + ns.s %}{% endfor %}",
      "{% set ns = namespace(s=[]) %}" + loop + "{% set ns.s = [ns.s, ns.s] %}{% endfor %}",
      "{% set ns = namespace(s=[]) %}" + loop + "{% set ns.s = {'a': ns.s}.get %}{% endfor %}",
      "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
      "{{ 'x' * 9223372036854775807 }}",
      "{{ [0] * 9223372036854775807 }}",
      "{{ ('x' * 1000000).replace('', 'y' * 1000000) }}",
      "{{ 'x'.ljust(9223372036854775807) }}",
      "{{ 'x'.zfill(9223372036854775807) }}",
      "{{ 'x'.center(9223372036854775807, 'é') }}",
      "{{ 'x'|indent(9223372036854775807) }}",
      "{{ [[1]]|tojson(indent=9223372036854775807) }}",
      "{{ ('x' * 100000)|list|join('y' * 100000) }}",
      "{{ range(9223372036854775807) }}",
      "{{ range(-9223372036854775807, 9223372036854775807, 3) }}",
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% macro f() %}{{ f() ~ f() }}{% endmacro %}{{ f() }}",
      "{% macro f(x) %}{% call f(x) %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}{{ "
      "f(1) }}",
      "{% set x = 'a' * 8000000 %}" + loop + "{% if x == x ~ '' %}{% endif %}{% endfor %}",
      "{% set x = 'a' * 8000000 %}" + loop + "{% if x.rfind('b') %}{% endif %}{% endfor %}",
      "{% set x = 'a' * 8000000 %}" + loop + "{% set y = x|upper %}{% endfor %}",
      "{% set x = 'a' * 8000000 %}" + loop + "{% set y = x|length %}{% endfor %}",
      "{% set x = 'a' * 8000000 %}" + loop + "{% set y = {x: 1} %}{% endfor %}",
      "{% set x = ('a' * 1000000)|list %}",
      loop + "{% set y = 'abc %s' % i %}{{ y * 1000 }}{% endfor %}",
      loop + "{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}" + loop + loop +
          "{% endfor %}{% endfor %}",
      "{{ " + repeated("(", 10000) + "1" + repeated(")", 10000) + " }}",
      "{{ " + repeated("[", 10000) + repeated("]", 10000) + " }}",
      "{{ x" + repeated("|upper", 10000) + " }}",
      "{{ x" + repeated(".a", 10000) + " }}",
      "{{ " + repeated("not ", 10000) + "x }}",
      "{{ " + repeated("-", 10000) + "1 }}",
      repeated("{% if 1 %}", 10000) + repeated("{% endif %}", 10000),
      "{{ ['a']|map(" + repeated("'map',", 5000) + "'upper')|list }}",
      std::string(2 << 20, 'x'),
  };
  double slowest = 0;
  for (const std::string& source : cases) {
    SCOPED_TRACE(source.substr(0, 120));
    const std::clock_t start = std::clock();
    const auto rendered = render(source);
    const double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
    ASSERT_FALSE(rendered.ok());
    EXPECT_EQ(rendered.error().code, ErrorCode::kExhausted) << rendered.error().message;
    // Processor time; under a second without sanitizers.
    EXPECT_LT(seconds, 10.0);
    slowest = std::max(slowest, seconds);
  }
  RecordProperty("slowest_ms", int(slowest * 1e3));
  std::printf("slowest hostile template: %.0f ms of processor time\n", slowest * 1e3);
}

TEST(ChatTemplate, AllowsWhatIsLongButHarmless) {
  EXPECT_EQ(render("{{ 1" + repeated(" + 1", 5000) + " }}").value(), "5001");
  EXPECT_EQ(render("{{ ''" + repeated(" ~ 'a'", 5000) + " }}").value(), repeated("a", 5000));
  const std::string branches = "{% if x == 0 %}" + repeated("{% elif x == 1 %}", 2000) +
                               "{% else %}end{% endif %}";
  EXPECT_EQ(render(branches, {{"x", 2}}).value(), "end");
}

TEST(ChatTemplate, KeepsTheCallersLimits) {
  TemplateLimits limits;
  limits.output_bytes = 10;
  EXPECT_EQ(render("0123456789", Json::object(), limits).value(), "0123456789");
  EXPECT_EQ(render("0123456789a", Json::object(), limits).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(render("{% set x %}{{ 'x' * 11 }}{% endset %}", Json::object(), limits).error().code,
            ErrorCode::kExhausted);
  limits = {};
  limits.steps = 5;
  EXPECT_EQ(render("{{ 1 + 2 + 3 + 4 }}", Json::object(), limits).error().code,
            ErrorCode::kExhausted);
  limits = {};
  limits.value_bytes = 4096;
  EXPECT_EQ(render("{{ x }}", {{"x", std::string(5000, 'x')}}, limits).error().code,
            ErrorCode::kExhausted);
}

TEST(ChatTemplate, RefusesInputThatNestsTooDeeply) {
  Json deep = 1;
  for (int i = 0; i < 100; ++i) deep = Json::array({std::move(deep)});
  EXPECT_EQ(render("{{ x }}", {{"x", std::move(deep)}}).error().code, ErrorCode::kExhausted);
}

TEST(ChatTemplate, RendersTheSameFromSeveralThreadsAtOnce) {
  const auto parsed = ChatTemplate::parse("{% for m in messages %}{{ m.role|upper }};{% endfor %}");
  ASSERT_TRUE(parsed.ok());
  const Json input = Json::parse(R"({"messages": [{"role": "user"}, {"role": "tool"}]})");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const auto rendered = parsed->render(input, 0);
        wrong[size_t(t)] += !rendered.ok() || *rendered != "USER;TOOL;";
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(wrong, testing::Each(0));
}

}  // namespace
}  // namespace weft::model
