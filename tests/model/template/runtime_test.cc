#include "model/template/runtime.h"

#include <gtest/gtest.h>

namespace weft::model::jinja {
namespace {

TEST(Runtime, CountsOnlyValuesThatLive) {
  TemplateLimits limits;
  limits.value_bytes = 10'000;
  Runtime runtime(limits, 0);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(runtime.string(std::string(5000, 'x')).ok());
  }
  const auto held = runtime.string(std::string(6000, 'x'));
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(runtime.string(std::string(6000, 'x')).error().code, ErrorCode::kExhausted);
}

TEST(Runtime, ChargesStepsForLongTexts) {
  TemplateLimits limits;
  limits.steps = 10;
  Runtime runtime(limits, 0);
  EXPECT_TRUE(runtime.string(std::string(500, 'x')).ok());
  EXPECT_EQ(runtime.string(std::string(500, 'x')).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(runtime.step().error().code, ErrorCode::kExhausted);
}

TEST(Runtime, LimitsHowDeepListsNest) {
  TemplateLimits limits;
  limits.depth = 3;
  Runtime runtime(limits, 0);
  Value value = Value::none();
  for (int i = 0; i < 3; ++i) {
    auto list = runtime.list({value});
    ASSERT_TRUE(list.ok());
    value = *list;
  }
  EXPECT_EQ(value.depth(), 3u);
  EXPECT_EQ(runtime.list({value}).error().code, ErrorCode::kExhausted);
}

TEST(Runtime, LimitsItsFrames) {
  Runtime runtime({}, 0);
  std::vector<Frame> frames;
  for (uint32_t i = 0; i < kFramesMax; ++i) {
    auto frame = runtime.enter();
    ASSERT_TRUE(frame.ok());
    frames.push_back(*std::move(frame));
  }
  EXPECT_EQ(runtime.enter().error().code, ErrorCode::kExhausted);
  frames.pop_back();
  EXPECT_TRUE(runtime.enter().ok());
}

TEST(Runtime, FreesANamespaceThatHoldsItself) {
  std::weak_ptr<Scope> watched;
  {
    Runtime runtime({}, 0);
    const auto ns = runtime.name_space();
    ASSERT_TRUE(ns.ok());
    auto scope = std::make_shared<Scope>();
    watched = scope;
    ns->ns().attributes.set(Value::literal("me"), *ns);
    scope->variables["f"] =
        runtime.callable("f", 0, [scope](Runtime&, const Arguments&) { return Value::none(); })
            .value();
    EXPECT_TRUE(runtime.keep(std::move(scope)).ok());
  }
  EXPECT_TRUE(watched.expired());
}

TEST(Runtime, BindsArgumentsAsPythonDoes) {
  const Runtime runtime({}, 0);
  const std::vector<std::string_view> parameters = {"a", "b?"};
  const Arguments both = {{Value::integer(1)}, {{"b", Value::integer(2)}}};
  const auto bound = Bound::bind(runtime, "f", parameters, both);
  ASSERT_TRUE(bound.ok());
  EXPECT_EQ(bound->integer(runtime, 1, 0).value(), 2);
  EXPECT_FALSE(Bound::bind(runtime, "f", parameters, {}).ok());
  const Arguments doubled = {{Value::none()}, {{"a", Value::none()}}};
  EXPECT_FALSE(Bound::bind(runtime, "f", parameters, doubled).ok());
}

}  // namespace
}  // namespace weft::model::jinja
