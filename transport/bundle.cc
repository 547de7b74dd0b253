#include "transport/bundle.h"

#include <cstring>

#include "base/text.h"

namespace weft::transport {
namespace {

constexpr std::string_view kMagic = "WFTBNDL1";
constexpr size_t kAlignment = 8;  // of each frame, so that it is read in place
constexpr size_t kItemHeadBytes = 8;
static_assert(kMagic.size() == kBundleHeadBytes);

size_t padded(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

size_t bundled_size(size_t frame_bytes) { return kItemHeadBytes + padded(frame_bytes); }

SharedBytes make_bundle(const std::vector<SharedBytes>& frames) {
  WEFT_ASSERT(!frames.empty());
  size_t total = kBundleHeadBytes;
  for (const SharedBytes& frame : frames) total += bundled_size(frame.size());
  Bytes bundle(kMagic.begin(), kMagic.end());
  bundle.reserve(total);
  for (const SharedBytes& frame : frames) {
    const uint64_t size = frame.size();  // below 2^32: the high half is the 0
    const auto* head = reinterpret_cast<const uint8_t*>(&size);
    bundle.insert(bundle.end(), head, head + sizeof size);
    bundle.insert(bundle.end(), frame.view().begin(), frame.view().end());
    bundle.resize(padded(bundle.size()));
  }
  return SharedBytes::adopt(std::move(bundle));
}

Result<std::vector<SharedBytes>> open_bundle(const SharedBytes& message) {
  if (message.size() < kMagic.size() ||
      as_text(message.view().first(kMagic.size())) != kMagic) {
    return std::vector<SharedBytes>{message};
  }
  std::vector<SharedBytes> frames;
  ByteView rest = message.view().subspan(kMagic.size());
  while (!rest.empty()) {
    uint64_t size = 0;
    if (rest.size() >= kItemHeadBytes) std::memcpy(&size, rest.data(), sizeof size);
    if (size == 0 || size > rest.size() || bundled_size(size) > rest.size()) {
      return Error(ErrorCode::kCorrupt, cat("a bundle whose frame ", frames.size(), " takes ", size,
                                            " bytes, ", rest.size(), " are left"));
    }
    if (frames.size() == kBundleFramesMax) {
      return Error(ErrorCode::kCorrupt, cat("a bundle of more than ", kBundleFramesMax, " frames"));
    }
    frames.emplace_back(message.owner(), rest.subspan(kItemHeadBytes, size));
    rest = rest.subspan(bundled_size(size));
  }
  if (frames.empty()) return Error(ErrorCode::kCorrupt, "a bundle without frames");
  return frames;
}

}  // namespace weft::transport
