#include "node/command_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/model/small_model.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

class Template : public ::testing::Test {
 protected:
  std::string put(const std::string& name, const std::string& text) {
    EXPECT_TRUE(write_file_atomic(folder_ / name, as_bytes(text)).ok());
    return folder_ / name;
  }
  test::TemporaryFolder folder_;
};

TEST_F(Template, RendersAFileOnAJsonObject) {
  const auto text = render_template(
      {put("t.jinja", "{% for m in messages %}<{{ m.content }}>{% endfor %}"),
       put("i.json", "{\"messages\":[{\"content\":\"a\"},{\"content\":\"b\"}]}"), ""});
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(*text, "<a><b>");
}

TEST_F(Template, RendersAModelsOwnWithItsStartToken) {
  model::SmallModel small;
  small.texts["tokenizer.chat_template"] = "{{ bos_token }}{{ x }}";
  small.write(folder_ / "m.gguf");
  const auto text = render_template({folder_ / "m.gguf", put("i.json", "{\"x\":\"y\"}"), ""});
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(*text, "<|bos|>y");
}

TEST_F(Template, TellsTheTimeItIsGiven) {
  const auto text = render_template({put("t.jinja", "{{ strftime_now('%Y-%m-%d %H:%M:%S') }}"),
                                     put("i.json", "{}"), "2026-11-21T09:30:00"});
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(*text, "2026-11-21 09:30:00");
}

TEST_F(Template, ReturnsTheTemplatesOwnException) {
  const auto text = render_template(
      {put("t.jinja", "{{ raise_exception('no tools here') }}"), put("i.json", "{}"), ""});
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().message, "no tools here");
}

TEST_F(Template, RefusesInputThatIsNoObjectAndFilesThatAreNot) {
  const std::string source = put("t.jinja", "x");
  for (const char* input : {"", "[1]", "{", "\xff"}) {
    EXPECT_EQ(render_template({source, put("i.json", input), ""}).error().code, ErrorCode::kInvalid)
        << input;
  }
  EXPECT_EQ(render_template({folder_ / "none", put("i.json", "{}"), ""}).error().code,
            ErrorCode::kNotFound);
}

TEST(DateTime, IsReadOrRefused) {
  EXPECT_EQ(*parse_date_time("1970-01-01T00:00:00"), 0);
  EXPECT_EQ(*parse_date_time("2026-11-21T09:30:00"), 1795253400);
  for (const char* text : {"", "2026-11-21", "2026-13-21T09:30:00", "2026-02-30T00:00:00",
                           "2026-11-21T25:30:00", "2026-11-21 09:30:00", "x026-11-21T09:30:00"}) {
    const auto time = parse_date_time(text);
    ASSERT_FALSE(time.ok()) << text;
    EXPECT_THAT(time.error().message, HasSubstr("2026-11-21T09:30:00"));
  }
}

}  // namespace
}  // namespace weft::node
