#include "kernels/kv_cache.h"

#include <algorithm>
#include <limits>

#include "base/assert.h"
#include "base/text.h"

namespace weft::kernels {

uint64_t KvShape::bytes_per_token() const {
  return 2 * kv_head_bytes(type, head_dim) * layer_count * kv_head_count;
}

KvPages::KvPages(uint32_t page_count) : page_count_(page_count) {
  WEFT_ASSERT(page_count <= std::numeric_limits<uint32_t>::max() / kPageTokens);
  // Page 0 is handed out first, so that a lone session's pages lie in order.
  free_.resize(page_count);
  for (uint32_t i = 0; i < page_count; ++i) free_[i] = page_count - 1 - i;
}

uint32_t KvPages::missing_pages(SessionId session, uint32_t token_count) const {
  const uint32_t wanted = kv_pages_for(token_count);
  const uint32_t held = uint32_t(pages(session).size());
  return wanted > held ? wanted - held : 0;
}

Result<> KvPages::reserve(SessionId session, uint32_t token_count) {
  const uint32_t missing = missing_pages(session, token_count);
  if (missing == 0) return {};
  if (missing > free_.size()) {
    return Error(ErrorCode::kExhausted,
                 cat("the KV cache is full: ", token_count, " tokens need ", missing,
                     " more pages of ", kPageTokens, ", ", free_.size(), " of ", page_count_,
                     " are free; retry when another stream has ended"));
  }
  std::vector<uint32_t>& held = sessions_[session];
  for (uint32_t i = 0; i < missing; ++i) {
    held.push_back(free_.back());
    free_.pop_back();
  }
  return {};
}

void KvPages::shrink(SessionId session, uint32_t page_count) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  std::vector<uint32_t>& held = found->second;
  while (held.size() > page_count) {
    free_.push_back(held.back());
    held.pop_back();
  }
  if (held.empty()) sessions_.erase(found);
}

void KvPages::release(SessionId session) {
  shrink(session, 0);
}

std::span<const uint32_t> KvPages::pages(SessionId session) const {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return {};
  return found->second;
}

}  // namespace weft::kernels
