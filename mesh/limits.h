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
inline constexpr int kLoadFailuresMax = 5;             // then until its profile changes
inline constexpr Duration kProblemFresh = seconds(5);  // a coordinator's report is believed so long
inline constexpr Duration kWantFor = seconds(30);
// A plan is retired once its last stream has ended for so long. Longer than Activate and a request
// in flight take; a head that missed it all the same starts again on the new plan.
inline constexpr Duration kRetireQuiet = seconds(3);

// Replacing a plan that serves by a better one, where nothing was lost.
// Speeds are measured in half a second on a device that does other things too, and come out up to
// a tenth apart from one start to the next: a gain below this may not be there at all.
inline constexpr double kWorthwhileGain = 1.20;
// Where a node cannot hold the old and the new layers at once, the mesh cannot serve while it
// loads: only a gain that nobody would miss is worth that, and only while nobody is there.
inline constexpr double kWorthwhileGainWithGap = 1.50;
inline constexpr Duration kIdleBeforeGap = seconds(60);
// Between two of them; and at least so many times as long as the last one took to load, so that
// loading (which takes half of a device's speed, say) costs far less than a gain of a fifth brings.
inline constexpr Duration kVoluntaryEvery = seconds(60);
inline constexpr int kVoluntaryLoads = 20;

// Sessions.
inline constexpr size_t kSessionsMax = 64;  // open at one head
inline constexpr uint32_t kPrefillChunk = 128;
inline constexpr uint32_t kWindowChunksPerStage = 3;  // prompt chunks on their way
// Since its opening, or since more of its prompt has passed the last stage: a long prompt on slow
// devices is no fault as long as it gets on.
inline constexpr Duration kFirstTokenWithin = seconds(120);
inline constexpr Duration kTokenGapMax = seconds(30);
inline constexpr Duration kSessionTotalMax = seconds(600);
inline constexpr size_t kEndTokensMax = 64;
// Streams that have given out no token yet wait so long for the next plan if theirs is lost or none
// is there: longer than a device takes to load its layers of a small model, shorter than a client's
// patience. Those that have given out some wait as long as tokens may be apart.
inline constexpr Duration kPlanWait = seconds(10);
inline constexpr size_t kWaitingMax = 32;
// A stage that cannot be reached is dead after kBrokenLinkDeadAfter, or back; then it starts again.
inline constexpr Duration kStartAgainAfter = kBrokenLinkDeadAfter;
inline constexpr int kStartsMax = 4;  // of one stream, from token to token

// Stages.
inline constexpr size_t kStageSessionsMax = 1024;
inline constexpr uint32_t kQueuedRowsMax = 16384;
inline constexpr uint32_t kDecodeRowsMax = 128;  // of one batch, besides its prefill rows
inline constexpr int kJobsInFlight = 2;
// Prefill rows that ride along with decode rows: what they may add to a step, as a share of the
// time that the step takes without them; how many at least, and how many at first; how many steps
// must keep the share before one more is tried (mesh/riding.h).
inline constexpr double kPrefillShare = 0.4;
// Two: where a tile of the kernels begins anew the first row costs as much as the next three.
inline constexpr uint32_t kRidingRowsMin = 2;
inline constexpr uint32_t kRidingRowsFirst = 8;
inline constexpr uint32_t kRidingPatience = 32;
// Trials of how many groups the streams form (mesh/grouping.h): after a change rows come in the old
// order for a round, a row of each stream; then so many rounds are counted, and so long at least.
inline constexpr uint32_t kGroupRounds = 3;
inline constexpr Duration kGroupTrial = milliseconds(200);
// The first trial is so long after a plan's first rows, the next ones ever later.
inline constexpr Duration kGroupFirstTrial = seconds(2);
inline constexpr Duration kGroupTrialEvery = seconds(30);
inline constexpr Duration kGroupTrialEveryMax = seconds(480);
// A trial is short and machines are noisy: another way must be so much faster.
inline constexpr double kGroupGain = 1.05;
// A round that gives less than this share of what is kept ends the trial at once.
inline constexpr double kGroupLost = 0.95;
// A row waits for its group so many times as long as all stages compute a step (their layers taken
// to be as fast as the first stage's): enough for two groups to meet, and little where a network's
// delay, not the devices, spreads the rows.
inline constexpr double kGroupPatience = 1;
// Steps without a decode row after which prefill rows go alone.
inline constexpr double kRideAlongPatience = 3;
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

// Rows of hidden_dim floats that fit one frame, and a prefill chunk at most; `beside` bytes of the
// frame are taken, which one row must do with.
inline constexpr uint32_t rows_per_step(uint32_t hidden_dim, size_t beside = 0) {
  const uint64_t row_bytes = uint64_t{hidden_dim} * sizeof(float);
  const uint64_t fit = (transport::kPayloadBytesMax - beside) / row_bytes;
  const uint64_t rows = beside > 0 && fit == 0 ? 1 : fit;
  return rows < kPrefillChunk ? uint32_t(rows) : kPrefillChunk;
}
// What a grammar takes of a frame.
inline size_t grammar_bytes(const SamplingParams& sampling) {
  if (!sampling.grammar) return 0;
  return sampling.grammar->size() + sampling.drawn.size() * sizeof(TokenId);
}

}  // namespace weft::mesh
