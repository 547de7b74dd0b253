#include "kernels/slice_cache.h"

#include <algorithm>

#include "base/text.h"

namespace weft::kernels {

Result<SliceCache> SliceCache::allocate(Backend& backend, const SliceShape& shape,
                                        uint32_t window) {
  SliceCache cache(shape, window);
  if (shape.kv.layer_count > 0) {
    WEFT_TRY(cache.full_, backend.allocate_kv(shape.kv));
  }
  if (shape.window_kv.layer_count > 0) {
    WEFT_TRY(cache.windowed_, backend.allocate_kv(shape.window_kv));
  }
  return cache;
}

void SliceCache::make_resident() {
  for (KvStore* store : {full_.get(), windowed_.get()}) {
    if (store) store->make_resident();
  }
}

uint32_t SliceCache::length(SessionId session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? 0 : found->second.length;
}

// Of a ring the pages before the last so many have been written over.
uint32_t SliceCache::first_kept_page(const Session& session) const {
  const uint32_t pages = kv_pages_for(session.written);
  return pages > ring_pages_ ? pages - ring_pages_ : 0;
}

bool SliceCache::keeps(SessionId session, uint32_t position) const {
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || position == 0) return position == 0;
  if (position > found->second.length) return false;
  const uint32_t seen = KvRow{position, {}}.first_seen(window_);
  return ring_pages_ == 0 || seen / kPageTokens >= first_kept_page(found->second);
}

uint32_t SliceCache::ring_tokens(uint32_t token_count) const {
  return std::min(token_count, ring_pages_ * kPageTokens);
}

Result<> SliceCache::reserve(SessionId session, uint32_t token_count) {
  const uint32_t before = uint32_t(pages_.pages(session).size());
  WEFT_CHECK(pages_.reserve(session, token_count));
  auto reserved = window_pages_.reserve(session, ring_tokens(token_count));
  if (!reserved.ok()) pages_.shrink(session, before);
  return reserved;
}

Result<> SliceCache::begin(const BatchPlan& plan) {
  uint64_t missing = 0, window_missing = 0;
  for (const SessionSpan& span : plan.spans) {
    if (!keeps(span.session, span.begin)) {
      return Error(ErrorCode::kInvalid,
                   cat("session ", to_string(span.session), ": what position ", span.begin,
                       " attends to is no longer kept by the layers that have a window of ",
                       window_, "; start it anew from position 0"));
    }
    missing += pages_.missing_pages(span.session, span.end);
    window_missing += window_pages_.missing_pages(span.session, ring_tokens(span.end));
  }
  if (missing > pages_.free_pages() || window_missing > window_pages_.free_pages()) {
    const bool full = missing > pages_.free_pages();
    return Error(ErrorCode::kExhausted,
                 cat("the KV cache is full: the batch needs ", full ? missing : window_missing,
                     " more pages of ", kPageTokens, " tokens, ",
                     full ? pages_.free_pages() : window_pages_.free_pages(),
                     " are free; retry when another stream has ended"));
  }
  pages_before_.clear();
  window_pages_before_.clear();
  for (const SessionSpan& span : plan.spans) {
    pages_before_.push_back(uint32_t(pages_.pages(span.session).size()));
    window_pages_before_.push_back(uint32_t(window_pages_.pages(span.session).size()));
    WEFT_CHECK(reserve(span.session, span.end));
  }
  return {};
}

void SliceCache::finish(const BatchPlan& plan, bool computed) {
  for (size_t i = 0; i < plan.spans.size(); ++i) {
    const SessionSpan& span = plan.spans[i];
    Session& session = sessions_[span.session];
    session.written = span.begin == 0 ? span.end : std::max(session.written, span.end);
    if (computed) {
      session.length = span.end;
      continue;
    }
    // What was written from `begin` on cannot be trusted, what lies before it stands.
    pages_.shrink(span.session, pages_before_[i]);
    window_pages_.shrink(span.session, window_pages_before_[i]);
    session.length = std::min(session.length, span.begin);
    if (pages_before_[i] == 0) sessions_.erase(span.session);
  }
}

void SliceCache::release(SessionId session) {
  pages_.release(session);
  window_pages_.release(session);
  sessions_.erase(session);
}

SliceCache::Rows SliceCache::rows(const BatchPlan& plan, uint32_t first, uint32_t count) const {
  Rows rows;
  rows.full.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    const SessionId session = plan.spans[plan.span_of_row[first + i]].session;
    rows.full[i] = {plan.positions[first + i], pages_.pages(session)};
  }
  if (ring_pages_ == 0) return rows;

  // Of each session the pages from the first that its rows see to the last, unrolled.
  struct Seen {
    uint32_t first_page = UINT32_MAX, last_page = 0;
  };
  std::vector<Seen> seen(plan.spans.size());
  for (uint32_t i = 0; i < count; ++i) {
    Seen& of = seen[plan.span_of_row[first + i]];
    const uint32_t from = rows.full[i].first_seen(window_) / kPageTokens;
    of.first_page = std::min(of.first_page, from);
    of.last_page = std::max(of.last_page, rows.full[i].position / kPageTokens);
  }
  rows.lists.resize(plan.spans.size());
  for (size_t s = 0; s < seen.size(); ++s) {
    const auto ring = window_pages_.pages(plan.spans[s].session);
    for (uint64_t page = seen[s].first_page; page <= seen[s].last_page; ++page) {
      rows.lists[s].push_back(ring[page % ring_pages_]);
    }
  }
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t span = plan.span_of_row[first + i];
    rows.windowed.push_back({plan.positions[first + i], rows.lists[span], seen[span].first_page});
  }
  return rows;
}

}  // namespace weft::kernels
