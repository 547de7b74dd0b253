// Bundles: several small frames to one member as one message of libzmq, so that what belongs
// together (the rows of many streams that one batch has made) is encrypted, sent and received
// together, and the receiver runs it as one batch again.
//
//   bundle: "WFTBNDL1", then for each frame: its size (u32), 0 (u32), its bytes, 0 to 7 zero bytes
//
// A frame that goes alone is sent as it is: its file identifier tells it from a bundle.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace weft::transport {

inline constexpr size_t kBundleFramesMax = 128;
// Larger frames go alone, without the copy that a bundle costs.
inline constexpr size_t kBundledFrameBytesMax = 64 * 1024;

// How many bytes a frame takes in a bundle, and a bundle without frames.
size_t bundled_size(size_t frame_bytes);
inline constexpr size_t kBundleHeadBytes = 8;

// The frames in one piece, in their order. There must be at least one.
SharedBytes make_bundle(const std::vector<SharedBytes>& frames);

// The frames of a message: those of a bundle as views that keep it alive, or else the message
// itself. kCorrupt if it is a bundle whose sizes do not fit it, or of more than kBundleFramesMax.
Result<std::vector<SharedBytes>> open_bundle(const SharedBytes& message);

}  // namespace weft::transport
