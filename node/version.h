// The program's version, for people.
#pragma once

namespace weft::node {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace weft::node
