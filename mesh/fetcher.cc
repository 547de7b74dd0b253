#include "mesh/fetcher.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "mesh/limits.h"

namespace weft::mesh {

void Fetcher::begin(ModelId model, const std::vector<NodeId>& holders) {
  cancel();
  model_ = model;
  for (const NodeId node : holders) {
    if (node != outbox_.self()) holders_.emplace(node, Holder{});
  }
}

void Fetcher::fetch_manifest(ModelId model, std::vector<NodeId> holders, Time now) {
  begin(model, holders);
  for (const auto& [node, holder] : holders_) to_ask_.push_back(node);
  phase_ = Phase::kManifest;
  ask_manifest(now);
}

void Fetcher::ask_manifest(Time now) {
  if (to_ask_.empty()) {
    return end(Error(ErrorCode::kUnavailable,
                     "no member gave this model's manifest; is one that holds the file up?"));
  }
  manifest_asked_ = now;
  outbox_.send(to_ask_.front(), transport::ManifestRequest{model_});
}

void Fetcher::on_manifest(NodeId from, const transport::Manifest& manifest, Time) {
  if (phase_ != Phase::kManifest || manifest.model != model_ || to_ask_.front() != from) return;
  phase_ = Phase::kVerifyManifest;
  outbox_.emit(VerifyManifest{manifest});
}

void Fetcher::on_manifest_verified(ModelId model, bool ok, Time now) {
  if (phase_ != Phase::kVerifyManifest || model != model_) return;
  if (ok) return end({});
  log_warn("fetch.bad_manifest", {{"from", short_string(to_ask_.front())}});
  to_ask_.pop_front();
  phase_ = Phase::kManifest;
  ask_manifest(now);
}

void Fetcher::fetch_items(ModelId model, std::vector<FetchItem> items, std::vector<NodeId> holders,
                          Time now) {
  begin(model, holders);
  first_open_ = 0;
  done_bytes_ = total_bytes_ = 0;
  for (FetchItem& what : items) {
    Item item;
    for (const ByteRange& range : what.missing) {
      if (range.size > 0) item.missing.push_back(range);
      total_bytes_ += range.size;
    }
    item.what = std::move(what);
    items_.push_back(std::move(item));
  }
  phase_ = Phase::kItems;
  for (size_t i = 0; i < items_.size() && phase_ == Phase::kItems; ++i) check_item(i);
  if (items_.empty()) return end({});
  pump(now);
}

void Fetcher::cancel() {
  phase_ = Phase::kIdle;
  items_.clear();
  to_ask_.clear();
  holders_.clear();
}

void Fetcher::end(Result<> result) {
  cancel();
  outbox_.emit(FetchEnded{model_, std::move(result)});
}

// The next run of bytes that this holder may be asked for.
std::optional<Fetcher::Piece> Fetcher::next_piece(NodeId holder) {
  while (first_open_ < items_.size() && items_[first_open_].missing.empty()) ++first_open_;
  for (size_t i = first_open_; i < items_.size(); ++i) {
    Item& item = items_[i];
    if (item.missing.empty() || item.avoid.contains(holder)) continue;
    ByteRange& range = item.missing.front();
    const uint64_t size = std::min<uint64_t>(range.size, transport::kPayloadBytesMax);
    const Piece piece{i, {range.offset, size}};
    range.offset += size;
    range.size -= size;
    if (range.size == 0) item.missing.pop_front();
    ++item.asked;
    return piece;
  }
  return std::nullopt;
}

void Fetcher::pump(Time now) {
  if (phase_ != Phase::kItems) return;
  bool any_asked = false, any_holder = false;
  for (auto& [node, holder] : holders_) {
    if (holder.gone) continue;
    any_holder = true;
    while (holder.asked.size() < kFetchWindow) {
      const std::optional<Piece> piece = next_piece(node);
      if (!piece) break;
      if (holder.asked.empty()) holder.heard = now;
      holder.asked.emplace(next_request_, *piece);
      outbox_.send(node, transport::Fetch{model_, next_request_++, piece->range.offset,
                                          uint32_t(piece->range.size)});
    }
    any_asked = any_asked || !holder.asked.empty();
  }
  const bool verifying =
      std::any_of(items_.begin(), items_.end(), [](const Item& item) { return item.verifying; });
  if (!any_holder && !verifying) {
    return end(Error(ErrorCode::kUnavailable,
                     "every member that holds the model's file is gone or does not answer"));
  }
  if (!any_asked && !verifying) {
    // What is left is wanted from holders that gave bad bytes before: better them than nobody.
    for (Item& item : items_) item.avoid.clear();
    const bool left = std::any_of(items_.begin(), items_.end(),
                                  [](const Item& item) { return !item.missing.empty(); });
    if (left) pump(now);
  }
}

void Fetcher::on_chunk(NodeId from, const transport::Chunk& chunk, Time now) {
  if (phase_ != Phase::kItems || chunk.model != model_) return;
  const auto found = holders_.find(from);
  if (found == holders_.end()) return;
  Holder& holder = found->second;
  const auto request = holder.asked.find(chunk.request);
  if (request == holder.asked.end()) return;  // given up before, or never asked for
  const Piece piece = request->second;
  holder.heard = now;
  if (!chunk.error.empty() || chunk.offset != piece.range.offset ||
      chunk.data.size() != piece.range.size) {
    log_warn("fetch.bad_chunk", {{"from", short_string(from)}, {"why", printable(chunk.error)}});
    strike(from, holder, now);
    return pump(now);
  }
  holder.asked.erase(request);
  holder.strikes = 0;
  Item& item = items_[piece.item];
  --item.asked;
  item.sources.insert(from);
  done_bytes_ += piece.range.size;
  outbox_.emit(StoreChunk{model_, piece.range.offset, chunk.data});
  outbox_.emit(FetchProgress{model_, std::min(done_bytes_, total_bytes_), total_bytes_});
  check_item(piece.item);
  pump(now);
}

// Asks for an item's verification once all its bytes are stored.
void Fetcher::check_item(size_t index) {
  Item& item = items_[index];
  if (item.done || item.verifying || item.asked > 0 || !item.missing.empty()) return;
  item.verifying = true;
  outbox_.emit(VerifyItem{model_, item.what.item});
}

void Fetcher::on_item_verified(ModelId model, uint32_t number, bool ok, Time now) {
  if (phase_ != Phase::kItems || model != model_) return;
  const auto it = std::find_if(items_.begin(), items_.end(), [&](const Item& item) {
    return item.what.item == number && item.verifying;
  });
  if (it == items_.end()) return;
  it->verifying = false;
  if (ok) {
    it->done = true;
    const bool all =
        std::all_of(items_.begin(), items_.end(), [](const Item& item) { return item.done; });
    return all ? end({}) : pump(now);
  }
  if (++it->attempts > kItemAttemptsMax) {
    return end(Error(ErrorCode::kCorrupt, cat("part ", number,
                                              " of the model's file came with a "
                                              "wrong digest ",
                                              kItemAttemptsMax, " times")));
  }
  log_warn("fetch.bad_digest", {{"item", number}, {"attempt", it->attempts}});
  it->avoid.insert(it->sources.begin(), it->sources.end());
  it->sources.clear();
  it->missing = {it->what.range};  // what was stored before may be the bad part
  total_bytes_ += it->what.range.size;
  first_open_ = std::min(first_open_, size_t(it - items_.begin()));
  pump(now);
}

// The holder's requests go back to what is missing.
void Fetcher::take_back(Holder& holder) {
  for (const auto& [request, piece] : holder.asked) {
    Item& item = items_[piece.item];
    --item.asked;
    item.missing.push_front(piece.range);
    first_open_ = std::min(first_open_, piece.item);
  }
  holder.asked.clear();
}

void Fetcher::strike(NodeId node, Holder& holder, Time now) {
  take_back(holder);
  holder.heard = now;
  if (++holder.strikes < kHolderStrikesMax) return;
  holder.gone = true;
  log_warn("fetch.holder_given_up", {{"node", short_string(node)}});
}

void Fetcher::on_holder_lost(NodeId node, Time now) {
  const auto it = holders_.find(node);
  if (it == holders_.end() || it->second.gone) return;
  it->second.gone = true;
  if (phase_ == Phase::kItems) {
    take_back(it->second);
    pump(now);
  } else if (phase_ == Phase::kManifest && !to_ask_.empty()) {
    const bool asked = to_ask_.front() == node;
    std::erase(to_ask_, node);
    if (asked) ask_manifest(now);
  }
}

void Fetcher::tick(Time now) {
  if (phase_ == Phase::kManifest && now - manifest_asked_ >= kHolderSilence) {
    to_ask_.pop_front();
    return ask_manifest(now);
  }
  if (phase_ != Phase::kItems) return;
  bool struck = false;
  for (auto& [node, holder] : holders_) {
    if (holder.gone || holder.asked.empty() || now - holder.heard < kHolderSilence) continue;
    log_warn("fetch.holder_silent", {{"node", short_string(node)}});
    strike(node, holder, now);
    struck = true;
  }
  if (struck) pump(now);
}

}  // namespace weft::mesh
