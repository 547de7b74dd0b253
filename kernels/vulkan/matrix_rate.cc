#include "kernels/vulkan/matrix_rate.h"

#include <algorithm>

#include "base/text.h"
#include "kernels/vulkan/recorder.h"
#include "kernels/vulkan/upload.h"

namespace weft::kernels {
namespace {

constexpr uint32_t kSubgroups = 4;  // of a workgroup
constexpr uint32_t kGroups = 1024;  // enough for the largest of today's devices, several times
constexpr uint32_t kChains = 8;     // sums of a subgroup
constexpr uint64_t kFactorBytes = 32 * 64;
constexpr uint8_t kFactorByte = 0x2e;  // a half of such bytes is 0.1
constexpr uint32_t kRoundsMax = 1u << 20;
constexpr double kLongEnough = 0.02;  // seconds: the clock and the start do not matter
constexpr int kPasses = 3;

// One dispatch and what it needs.
class RateProbe {
 public:
  static Result<std::unique_ptr<RateProbe>> create(VulkanDevice& device, MatrixFactors factors,
                                                   const MatrixShape& shape) {
    std::unique_ptr<RateProbe> made(new RateProbe(device));
    const uint64_t sums = uint64_t{kGroups} * kSubgroups * shape.m * shape.n * sizeof(float);
    WEFT_TRY(made->factors_, made->memory_.allocate(kFactorBytes, VulkanPlace::kDevice));
    WEFT_TRY(made->sums_, made->memory_.allocate(sums, VulkanPlace::kDevice));
    WEFT_TRY(made->recorder_, VulkanRecorder::create(device));
    WEFT_CHECK(VulkanUpload(made->memory_, *made->recorder_)
                   .write(*made->factors_, 0, Bytes(kFactorBytes, kFactorByte)));
    made->recorder_->observe([probe = made.get()](std::string_view, Time begin, Time end) {
      probe->seconds_ = std::chrono::duration<double>(end - begin).count();
    });
    const uint32_t invocations = kSubgroups * device.matrices().subgroup;
    WEFT_TRY(made->dispatch_.pipeline,
             made->pipelines_.get(
                 factors == MatrixFactors::kHalves ? "matrix_rate" : "matrix_rate_bytes",
                 {invocations, kSubgroups, shape.m, shape.n, shape.k, kChains}));
    made->dispatch_.buffers = {made->factors_.get(), made->sums_.get()};
    made->dispatch_.writes = 2;
    made->dispatch_.groups = {kGroups, 1, 1};
    return made;
  }

  // Seconds that so many rounds take.
  Result<double> time(uint32_t rounds) {
    dispatch_.push[0] = rounds;
    recorder_->add(dispatch_);
    seconds_ = 0;
    WEFT_CHECK(recorder_->run());
    if (seconds_ > 0) return seconds_;
    return Error(ErrorCode::kInternal, "the device's clock stands still");
  }

 private:
  explicit RateProbe(VulkanDevice& device) : memory_(device), pipelines_(device) {}

  VulkanMemory memory_;
  VulkanPipelines pipelines_;
  std::unique_ptr<VulkanBuffer> factors_, sums_;
  std::unique_ptr<VulkanRecorder> recorder_;
  VulkanDispatch dispatch_;
  double seconds_ = 0;
};

}  // namespace

Result<double> measure_matrix_rate(VulkanDevice& device, MatrixFactors factors) {
  const VulkanMatrices& matrices = device.matrices();
  const bool halves = factors == MatrixFactors::kHalves;
  const MatrixShape& shape = halves ? matrices.halves : matrices.bytes;
  if (!shape || !matrices.absent.empty()) {
    return Error(ErrorCode::kUnsupported,
                 !matrices.absent.empty() ? matrices.absent
                                          : cat("the device has no cooperative matrices of ",
                                                halves ? "halves" : "bytes", " that weft uses"));
  }
  if (device.timestamp_bits() == 0) {
    return Error(ErrorCode::kUnsupported, "the device has no clock");
  }
  WEFT_TRY(const auto probe, RateProbe::create(device, factors, shape));
  uint32_t rounds = 1;
  WEFT_TRY(double seconds, probe->time(rounds));
  while (seconds < kLongEnough && rounds < kRoundsMax) {
    rounds *= 4;
    WEFT_TRY(seconds, probe->time(rounds));
  }
  double best = seconds;
  for (int pass = 1; pass < kPasses; ++pass) {
    WEFT_TRY(seconds, probe->time(rounds));
    best = std::min(best, seconds);
  }
  const double products = double(kGroups) * kSubgroups * kChains * rounds;
  return products * 2 * shape.m * shape.n * shape.k / best * 1e-12;
}

}  // namespace weft::kernels
