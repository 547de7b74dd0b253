// A text as a QR code that a terminal can show.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::node {

// Two modules per character cell, with the quiet zone; dark on light whatever the terminal's
// colours. kInvalid if the text is too long for a QR code.
Result<std::string> qr_code(std::string_view text);

}  // namespace weft::node
