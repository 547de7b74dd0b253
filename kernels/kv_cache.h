// The paged KV cache: keys and values of every layer of a slice, in pages of kPageTokens positions
// that sessions take and give back. Source: Kwon et al. 2023, arXiv:2309.06180.
//
// KvStore is the memory (a backend's). KvPages is the bookkeeping (this file, no device).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/assert.h"
#include "base/id.h"
#include "base/kv_type.h"
#include "base/result.h"

namespace weft::kernels {

inline constexpr uint32_t kPageTokens = 32;

// Pages that hold `token_count` positions.
inline constexpr uint32_t kv_pages_for(uint32_t token_count) {
  return token_count / kPageTokens + (token_count % kPageTokens != 0);
}

struct KvShape {
  KvType type = KvType::kF16;
  uint32_t layer_count = 0;  // of the slice
  uint32_t kv_head_count = 0;
  uint32_t head_dim = 0;
  uint32_t page_count = 0;

  uint32_t kv_dim() const { return kv_head_count * head_dim; }
  uint64_t bytes_per_token() const;  // keys and values, all layers
  uint64_t bytes() const { return bytes_per_token() * kPageTokens * page_count; }
};

class KvStore {
 public:
  virtual ~KvStore() = default;
  const KvShape& shape() const { return shape_; }
  // Takes all of its memory from the system now. Else pages come at their first touch, which holds
  // up the stream that comes to one, by milliseconds and in every layer.
  virtual void make_resident() {}

 protected:
  explicit KvStore(const KvShape& shape) : shape_(shape) {}

 private:
  KvShape shape_;
};

// Where one row of a batch stands: its position, and its session's pages in order, of which those
// before `first_page` are not there.
// Position p lies in pages[p / kPageTokens - first_page] at p % kPageTokens.
struct KvRow {
  uint32_t position;
  std::span<const uint32_t> pages;
  uint32_t first_page = 0;

  uint32_t page_of(uint32_t at) const {
    WEFT_ASSERT(at / kPageTokens >= first_page && at / kPageTokens - first_page < pages.size());
    return pages[at / kPageTokens - first_page];
  }
  // The first position that the row attends to within a window; 0: without one.
  uint32_t first_seen(uint32_t window) const {
    return window > 0 && position >= window ? position - window + 1 : 0;
  }
};

// Which session holds which pages. Not thread-safe.
class KvPages {
 public:
  // At most UINT32_MAX / kPageTokens pages (asserted), so that tokens can be counted in 32 bits.
  explicit KvPages(uint32_t page_count);

  // Makes room for positions 0..token_count-1 of a session. kExhausted leaves it as it was.
  Result<> reserve(SessionId session, uint32_t token_count);
  // Pages that `reserve` would take; a batch asks for all its sessions before it reserves any.
  uint32_t missing_pages(SessionId session, uint32_t token_count) const;
  // Gives back the pages after the first `page_count`: what a failed batch had reserved.
  void shrink(SessionId session, uint32_t page_count);
  // Gives all pages of a session back; unknown sessions are ignored.
  void release(SessionId session);
  // Valid until the next reserve or release of the session; empty if unknown.
  std::span<const uint32_t> pages(SessionId session) const;

  uint32_t free_pages() const { return uint32_t(free_.size()); }
  uint32_t free_tokens() const { return uint32_t(free_.size()) * kPageTokens; }
  uint32_t total_tokens() const { return page_count_ * kPageTokens; }
  size_t session_count() const { return sessions_.size(); }

 private:
  uint32_t page_count_;
  std::vector<uint32_t> free_;
  std::unordered_map<SessionId, std::vector<uint32_t>> sessions_;
};

}  // namespace weft::kernels
