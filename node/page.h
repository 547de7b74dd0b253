// The page at `/`: HTML, CSS and script from node/page/, compiled in. It loads nothing from
// anywhere else.
#pragma once

#include <optional>
#include <string_view>

namespace weft::node {

struct PageAsset {
  std::string_view content_type;
  std::string_view body;  // static
};

// The content for "/", "/page.css" or "/page.js"; nothing for any other path. Any thread.
std::optional<PageAsset> page_asset(std::string_view path);

// What the page may do (Content-Security-Policy, W3C CSP level 3): its own files and its own
// server, nothing inline, no frames.
inline constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace weft::node
