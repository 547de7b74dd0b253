// TrustWatch: what a running node does about trust with time. Where the authority key is, it renews
// the certificates that end soon, its own among them; everywhere, it notices the alarm that stops
// joins (two rosters at one epoch, docs/trust.md) and tells the owner.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "crypto/trust_store.h"

namespace weft::node {

inline constexpr Duration kRenewEvery = std::chrono::hours(24);

class TrustWatch {
 public:
  // The store outlives it.
  explicit TrustWatch(crypto::TrustStore& store) : store_(store) {}

  // Call about once a second, on one thread. Renews at the first call and every kRenewEvery; a new
  // roster is then in the store, where the caller finds it by its epoch. What fails is logged and
  // tried again: a node serves as long as its own certificate lasts.
  void tick(bool holds_authority, Time now, int64_t unix_seconds);

  // Why joins have stopped; empty if they have not.
  const std::string& alarm() const { return alarm_; }

 private:
  void renew(int64_t unix_seconds);
  void look_for_alarm();

  crypto::TrustStore& store_;
  std::optional<Time> next_renewal_;
  std::string alarm_;
};

}  // namespace weft::node
