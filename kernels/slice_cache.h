// The KV cache of a slice: one store for the layers that attend to all positions, one for those
// that have a window, which keep only that; and which session has how many positions.
#pragma once

#include <unordered_map>

#include "kernels/slice_batch.h"
#include "kernels/slice_memory.h"

namespace weft::kernels {

class SliceCache {
 public:
  static Result<SliceCache> allocate(Backend& backend, const SliceShape& shape, uint32_t window);

  KvStore* store(bool windowed) const { return windowed ? windowed_.get() : full_.get(); }
  void make_resident();
  uint32_t free_tokens() const { return pages_.free_tokens(); }

  uint32_t length(SessionId session) const;
  // Whether rows of the session may begin at this position: not beyond its end, and the positions
  // that they attend to are still there.
  bool keeps(SessionId session, uint32_t position) const;

  // Room for positions 0..token_count-1 of a session; kExhausted leaves it as it was.
  Result<> reserve(SessionId session, uint32_t token_count);
  // Room for a batch: for all of its sessions or for none. kInvalid if a session begins where it
  // does not keep().
  Result<> begin(const BatchPlan& plan);
  // After `begin`: the sessions have advanced; or the device failed midway and they have not.
  void finish(const BatchPlan& plan, bool computed);
  void release(SessionId session);

  // Where rows [first, first + count) of a plan stand, in stores of either kind.
  struct Rows {
    std::vector<KvRow> full, windowed;
    std::vector<std::vector<uint32_t>> lists;  // what `windowed` refers to
  };
  Rows rows(const BatchPlan& plan, uint32_t first, uint32_t count) const;

 private:
  struct Session {
    uint32_t length = 0;
    uint32_t written = 0;  // beyond its last position before it began anew
  };

  SliceCache(const SliceShape& shape, uint32_t window)
      : window_(window),
        ring_pages_(shape.window_pages),
        pages_(shape.kv.page_count),
        window_pages_(shape.window_kv.page_count) {}
  uint32_t ring_tokens(uint32_t token_count) const;
  uint32_t first_kept_page(const Session& session) const;

  uint32_t window_;
  uint32_t ring_pages_;  // of one session, taken in turns; 0: no layer has a window
  std::unique_ptr<KvStore> full_, windowed_;
  KvPages pages_, window_pages_;
  // At least one page is held for each, which bounds their number.
  std::unordered_map<SessionId, Session> sessions_;
  std::vector<uint32_t> pages_before_, window_pages_before_;  // of the batch that has begun
};

}  // namespace weft::kernels
