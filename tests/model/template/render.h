// Renders small templates and compares: what the tests of this folder share.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/chat_template.h"

namespace weft::model::jinja {

inline constexpr int64_t kTestNow = 1795253400;  // 2026-11-21 09:30:00

inline nlohmann::ordered_json test_variables() {
  return nlohmann::ordered_json::parse(R"({
    "n": 7, "pi": 3.5, "yes": true, "nothing": null, "word": "Grüße", "empty": [],
    "list": [3, 1, 2], "names": ["bob", "Al", "cy"],
    "map": {"b": 1, "a": {"k": [10, 20]}, "items": "mine"},
    "users": [{"name": "bob", "age": 30, "tags": ["x"]}, {"name": "Al", "age": 25}]
  })");
}

inline Result<std::string> render(std::string_view source) {
  WEFT_TRY(const auto parsed, ChatTemplate::parse(source));
  return parsed.render(test_variables(), kTestNow);
}

struct Rendering {
  const char* source;
  const char* text;
};

// Each template must print its text. The texts are what Jinja2 3.1.6 prints.
inline void expect_renderings(const std::vector<Rendering>& renderings) {
  for (const auto& [source, text] : renderings) {
    const auto rendered = render(source);
    ASSERT_TRUE(rendered.ok()) << source << "\n" << rendered.error().message;
    EXPECT_EQ(*rendered, text) << source;
  }
}

struct Failure {
  const char* source;
  const char* part;  // of the message
};

inline void expect_failures(const std::vector<Failure>& failures) {
  for (const auto& [source, part] : failures) {
    const auto rendered = render(source);
    ASSERT_FALSE(rendered.ok()) << source << "\n" << *rendered;
    EXPECT_NE(rendered.error().message.find(part), std::string::npos)
        << source << "\n" << rendered.error().message;
  }
}

}  // namespace weft::model::jinja
