#include "node/trust_watch.h"

#include "base/log.h"

namespace weft::node {

void TrustWatch::tick(bool holds_authority, Time now, int64_t unix_seconds) {
  if (holds_authority && (!next_renewal_ || now >= *next_renewal_)) {
    next_renewal_ = now + kRenewEvery;
    renew(unix_seconds);
  }
  look_for_alarm();
}

void TrustWatch::renew(int64_t unix_seconds) {
  const auto before = store_.stored_epoch();
  const auto roster = store_.renew(unix_seconds);
  if (!roster.ok()) {
    log_error("trust.renew", {{"error", roster.error().message}});
  } else if (before.ok() && roster->epoch() > *before) {
    log_info("trust.renewed", {{"epoch", roster->epoch()}});
  }
}

void TrustWatch::look_for_alarm() {
  const auto raised = store_.alarm();
  if (!raised.ok()) return;  // the folder cannot be read: other parts say so
  const std::string text = raised->value_or("");
  if (text == alarm_) return;
  alarm_ = text;
  if (alarm_.empty()) {
    log_info("trust.alarm_cleared");
  } else {
    log_warn("trust.alarm", {{"why", alarm_}, {"effect", "joins have stopped"}});
  }
}

}  // namespace weft::node
