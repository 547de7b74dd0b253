// Fetcher: brings parts of a model's file here from the members that hold it.
//
// It asks every holder at once, kFetchWindow requests on their way to each, in pieces that fit a
// frame. A holder that says nothing for kHolderSilence loses its requests to the others, and after
// kHolderStrikesMax such silences (or errors) it is asked no more. When all bytes of an item are
// stored the node is asked to verify it; an item with a bad digest is fetched anew, from other
// holders if there are any, kItemAttemptsMax times at most. Bytes the node has already are not
// asked for, which is how a fetch resumes.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "mesh/machine.h"
#include "mesh/outbox.h"
#include "transport/message.h"

namespace weft::mesh {

class Fetcher {
 public:
  explicit Fetcher(Outbox& outbox) : outbox_(outbox) {}

  // Asks one holder after the other for the manifest, until one is verified; ends in FetchEnded.
  void fetch_manifest(ModelId model, std::vector<NodeId> holders, Time now);
  void on_manifest_verified(ModelId model, bool ok, Time now);
  // Replaces what runs; ends in FetchEnded.
  void fetch_items(ModelId model, std::vector<FetchItem> items, std::vector<NodeId> holders,
                   Time now);
  void on_item_verified(ModelId model, uint32_t item, bool ok, Time now);
  void cancel();

  void on_manifest(NodeId from, const transport::Manifest& manifest, Time now);
  void on_chunk(NodeId from, const transport::Chunk& chunk, Time now);
  // It died, or its link refused a request.
  void on_holder_lost(NodeId node, Time now);
  void tick(Time now);

 private:
  struct Piece {
    size_t item = 0;  // index in items_
    ByteRange range;
  };
  struct Item {
    FetchItem what;
    std::deque<ByteRange> missing;  // not asked for
    size_t asked = 0;               // pieces on their way
    bool verifying = false;
    bool done = false;
    int attempts = 1;
    std::set<NodeId> sources;  // of this attempt
    std::set<NodeId> avoid;    // gave bytes to an attempt that failed
  };
  struct Holder {
    std::map<uint64_t, Piece> asked;  // by request
    Time heard;                       // since when it owes us something
    int strikes = 0;
    bool gone = false;
  };
  enum class Phase { kIdle, kManifest, kVerifyManifest, kItems };

  void begin(ModelId model, const std::vector<NodeId>& holders);
  void ask_manifest(Time now);
  void pump(Time now);
  std::optional<Piece> next_piece(NodeId holder);
  void take_back(Holder& holder);
  void strike(NodeId node, Holder& holder, Time now);
  void check_item(size_t index);
  void end(Result<> result);

  Outbox& outbox_;
  Phase phase_ = Phase::kIdle;
  ModelId model_;
  std::map<NodeId, Holder> holders_;
  std::deque<NodeId> to_ask_;  // for the manifest; the front one is being asked
  Time manifest_asked_;
  std::vector<Item> items_;
  size_t first_open_ = 0;  // items before it need no more requests
  uint64_t next_request_ = 1;
  uint64_t done_bytes_ = 0, total_bytes_ = 0;
};

}  // namespace weft::mesh
