#include "node/page.h"

#include <cstddef>

namespace weft::embedded {
// Written by cmake/embed.cmake.
extern const unsigned char page_index_html[];
extern const std::size_t page_index_html_size;
extern const unsigned char page_page_css[];
extern const std::size_t page_page_css_size;
extern const unsigned char page_page_js[];
extern const std::size_t page_page_js_size;
}  // namespace weft::embedded

namespace weft::node {
namespace {

std::string_view text(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

std::optional<PageAsset> page_asset(std::string_view path) {
  if (path == "/") {
    return PageAsset{"text/html; charset=utf-8",
                     text(embedded::page_index_html, embedded::page_index_html_size)};
  }
  if (path == "/page.css") {
    return PageAsset{"text/css; charset=utf-8",
                     text(embedded::page_page_css, embedded::page_page_css_size)};
  }
  if (path == "/page.js") {
    return PageAsset{"text/javascript; charset=utf-8",
                     text(embedded::page_page_js, embedded::page_page_js_size)};
  }
  return std::nullopt;
}

}  // namespace weft::node
