// The mesh's named limits and times, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "transport/message.h"

namespace weft::mesh {

// Membership. A silent peer is dead within 3 s of its last beat's due time (promise 4).
inline constexpr Duration kBeatEvery = seconds(1);
inline constexpr Duration kSuspectAfter = seconds(2);
inline constexpr Duration kDeadAfter = milliseconds(2900);
inline constexpr Duration kBrokenLinkDeadAfter = seconds(1);
inline constexpr Duration kForgetAfter = seconds(60);

// Rollout.
inline constexpr Duration kSettle = seconds(1);     // quiet before a plan that nobody waits for
inline constexpr Duration kAdoptWait = seconds(3);  // for a plan that others serve to reach us
inline constexpr Duration kOutrunPatience = seconds(60);
inline constexpr Duration kProposeAgain = seconds(2);  // to a stage that does not answer
inline constexpr Duration kReachWithin = seconds(5);   // a stage waits so long for its fellows
inline constexpr Duration kLoadStall = seconds(120);   // without progress: the stage has failed
inline constexpr Duration kReplanEvery = seconds(5);   // after a refusal
inline constexpr Duration kBackOffFirst = seconds(5);  // a stage that failed to load sits out
inline constexpr Duration kBackOffMost = seconds(60);
inline constexpr int kLoadFailuresMax = 5;  // then until its profile changes
inline constexpr double kWorthwhileGain = 1.10;
inline constexpr Duration kProblemFresh = seconds(5);  // a coordinator's report is believed so long
inline constexpr Duration kWantFor = seconds(30);

// Sessions.
inline constexpr size_t kSessionsMax = 64;  // open at one head
inline constexpr uint32_t kPrefillChunk = 128;
inline constexpr uint32_t kWindowChunksPerStage = 3;  // prompt chunks on their way
inline constexpr Duration kFirstTokenWithin = seconds(120);
inline constexpr Duration kTokenGapMax = seconds(30);
inline constexpr Duration kSessionTotalMax = seconds(600);
inline constexpr size_t kEndTokensMax = 64;

// Stages.
inline constexpr size_t kStageSessionsMax = 1024;
inline constexpr uint32_t kQueuedRowsMax = 16384;
inline constexpr uint32_t kDecodeRowsMax = 128;  // of one batch, besides its prefill rows
inline constexpr int kJobsInFlight = 2;
inline constexpr size_t kClosedRemembered = 1024;
// Longer than any head waits, so that only sessions whose Close was lost are caught.
inline constexpr Duration kStageIdleMax = kFirstTokenWithin + seconds(10);

// Links.
inline constexpr Duration kPingEvery = seconds(2);
inline constexpr Duration kBandwidthEvery = seconds(60);
inline constexpr size_t kPingBytes = 16;
inline constexpr size_t kBandwidthBytes = 64 * 1024;

// Fetch.
inline constexpr size_t kFetchWindow = 4;  // requests on their way per holder
inline constexpr Duration kHolderSilence = seconds(5);
inline constexpr int kHolderStrikesMax = 3;
inline constexpr int kItemAttemptsMax = 4;

// Rows of hidden_dim floats that fit one frame, and a prefill chunk at most.
inline constexpr uint32_t rows_per_step(uint32_t hidden_dim) {
  const uint64_t fit = transport::kPayloadBytesMax / (uint64_t{hidden_dim} * sizeof(float));
  return fit < kPrefillChunk ? uint32_t(fit) : kPrefillChunk;
}

}  // namespace weft::mesh
