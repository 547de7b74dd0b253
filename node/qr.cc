#include "node/qr.h"

#include <qrencode.h>

#include <memory>

namespace weft::node {
namespace {

constexpr int kQuietZone = 2;  // modules around the code; scanners want some

}  // namespace

Result<std::string> qr_code(std::string_view text) {
  const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
      QRcode_encodeString(std::string(text).c_str(), 0, QR_ECLEVEL_L, QR_MODE_8, 1), QRcode_free);
  if (!code) return Error(ErrorCode::kInvalid, "the text does not fit a QR code");
  const auto dark = [&](int row, int col) {
    if (row < 0 || col < 0 || row >= code->width || col >= code->width) return false;
    return (code->data[row * code->width + col] & 1) != 0;
  };
  std::string out;
  for (int row = -kQuietZone; row < code->width + kQuietZone; row += 2) {
    out += "\x1b[38;5;16;48;5;231m";  // black on white
    for (int col = -kQuietZone; col < code->width + kQuietZone; ++col) {
      const bool upper = dark(row, col), lower = dark(row + 1, col);
      out += upper ? (lower ? "\u2588" : "\u2580") : (lower ? "\u2584" : " ");
    }
    out += "\x1b[0m\n";
  }
  return out;
}

}  // namespace weft::node
