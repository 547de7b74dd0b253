#include "node/page.h"

#include <gtest/gtest.h>

namespace weft::node {
namespace {

TEST(Page, HasItsThreeFilesAndNoOther) {
  EXPECT_TRUE(page_asset("/")->body.starts_with("<!doctype html>"));
  EXPECT_TRUE(page_asset("/page.css")->content_type.starts_with("text/css"));
  EXPECT_TRUE(page_asset("/page.js")->content_type.starts_with("text/javascript"));
  for (const char* path : {"", "/index.html", "/page.css/", "/../page.js", "//"}) {
    EXPECT_FALSE(page_asset(path).has_value()) << path;
  }
}

TEST(Page, LoadsNothingFromElsewhere) {
  for (const char* path : {"/", "/page.css", "/page.js"}) {
    const std::string_view body = page_asset(path)->body;
    for (const char* foreign : {"http://", "https://", "@import", "url("}) {
      EXPECT_EQ(body.find(foreign), std::string_view::npos) << path << " has " << foreign;
    }
  }
}

TEST(Page, PutsTextFromPeersInAsTextOnly) {
  const std::string_view script = page_asset("/page.js")->body;
  for (const char* risky :
       {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("}) {
    EXPECT_EQ(script.find(risky), std::string_view::npos) << risky;
  }
  EXPECT_EQ(kPagePolicy.find("unsafe"), std::string_view::npos);
}

}  // namespace
}  // namespace weft::node
