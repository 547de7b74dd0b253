#include "node/backend_choice.h"

#include <gmock/gmock.h>

#include "base/log.h"
#include "kernels/vulkan/device.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

BackendChoice choice(const std::string& name, const std::string& device = "") {
  BackendChoice made;
  made.name = name;
  made.threads = 1;
  made.vulkan_device = device;
  return made;
}

TEST(BackendChoice, MakesWhatItIsCalled) {
  EXPECT_EQ(make_backend(choice("cpu")).value()->name(), "cpu");
  EXPECT_EQ(make_backend(choice("reference")).value()->name(), "reference");
}

TEST(BackendChoice, NamesTheChoicesThatThereAre) {
  const auto made = make_backend(choice("cuda"));
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(made.error().message, HasSubstr("auto, cpu, vulkan or reference"));
}

TEST(BackendChoice, MakesAVulkanDeviceThatIsNamed) {
  const auto devices = kernels::list_vulkan_devices();
  if (!devices.ok() || devices->empty()) GTEST_SKIP() << "no Vulkan device here";
  const auto made = make_backend(choice("vulkan", devices->front().name));
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ((*made)->name(), "vulkan");
  EXPECT_THAT(std::string((*made)->detail()), HasSubstr(devices->front().name));
  EXPECT_EQ(make_backend(choice("vulkan", "no such device")).error().code, ErrorCode::kNotFound);
}

TEST(BackendChoice, ListsDevicesByNumberAndName) {
  const auto devices = kernels::list_vulkan_devices();
  const auto json = vulkan_devices_json();
  ASSERT_EQ(json.size(), devices.ok() ? devices->size() : 0);
  for (size_t i = 0; i < json.size(); ++i) {
    EXPECT_EQ(json[i]["index"], i);
    EXPECT_EQ(json[i]["name"], (*devices)[i].name);
  }
}

TEST(AutoDecision, IsTheProcessorWithoutAGpuThatWorks) {
  const AutoDecision none = decide_auto({"", "no GPU here"});
  EXPECT_FALSE(none.gpu);
  EXPECT_EQ(none.why, "no GPU here");
  const AutoDecision broken = decide_auto({"Some GPU", "Some GPU: it is lost", 0, 30e9});
  EXPECT_FALSE(broken.gpu);
  EXPECT_EQ(broken.why, "Some GPU: it is lost");
}

TEST(AutoDecision, IsTheGpuIfItReadsWeightsClearlyFaster) {
  const AutoDecision faster = decide_auto({"Some GPU", "", 400e9, 30e9});
  EXPECT_TRUE(faster.gpu);
  EXPECT_EQ(faster.why, "Some GPU reads weights at 373 GiB/s, the processor at 28 GiB/s");
  EXPECT_TRUE(decide_auto({"Some GPU", "", 37.5e9, 30e9}).gpu);
  for (const double slow : {37.4e9, 30e9, 1e9}) {
    EXPECT_FALSE(decide_auto({"Some GPU", "", slow, 30e9}).gpu) << slow;
  }
  EXPECT_THAT(decide_auto({"Some GPU", "", 1e9, 30e9}).why, HasSubstr("Some GPU reads"));
}

// What the log says of the choice.
std::string log_of(const std::function<void()>& work) {
  set_log_level(LogLevel::kInfo);
  ::testing::internal::CaptureStderr();
  work();
  return ::testing::internal::GetCapturedStderr();
}

TEST(BackendChoice, AutoIsTheProcessorWhereNoRealGpuIs) {
  const auto devices = kernels::list_vulkan_devices();
  for (size_t i = 0; devices.ok() && i < devices->size(); ++i) {
    if ((*devices)[i].kind <= kernels::VulkanDeviceKind::kIntegrated) GTEST_SKIP() << "a GPU";
  }
  const std::string log = log_of([] {
    const auto made = make_backend(choice("auto"));
    ASSERT_TRUE(made.ok()) << made.error().message;
    EXPECT_EQ((*made)->name(), "cpu");
  });
  EXPECT_THAT(log, HasSubstr("backend.auto chosen=cpu why=\"no "));
}

TEST(BackendChoice, AutoMeasuresADeviceThatIsNamed) {
  const auto devices = kernels::list_vulkan_devices();
  if (!devices.ok() || devices->empty()) GTEST_SKIP() << "no Vulkan device here";
  if (devices->front().kind != kernels::VulkanDeviceKind::kCpu) GTEST_SKIP() << "a GPU";
  const std::string name = devices->front().name;
  const std::string log = log_of([&] {
    const auto made = make_backend(choice("auto", name));
    ASSERT_TRUE(made.ok()) << made.error().message;
    EXPECT_EQ((*made)->name(), "cpu");
  });
  EXPECT_THAT(log, HasSubstr(name));
  EXPECT_THAT(log, HasSubstr("/s, the processor at"));
  EXPECT_EQ(make_backend(choice("auto", "no such device")).error().code, ErrorCode::kNotFound);
}

TEST(BackendChoice, AutoIsTheProcessorWhereADeviceFailsItsTest) {
  const auto devices = kernels::list_vulkan_devices();
  if (!devices.ok() || devices->empty()) GTEST_SKIP() << "no Vulkan device here";
  BackendChoice broken = choice("auto", devices->front().name);
  broken.vulkan_lost = std::make_shared<std::atomic<bool>>(true);
  const auto made = make_backend(broken);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ((*made)->name(), "cpu");
}

TEST(LoadWith, TheProcessorTakesTheGpusPlaceOnlyForAutoAndForWantOfMemory) {
  int loads = 0;
  const auto load = [&](ErrorCode code) {
    return [&loads, code](kernels::Backend& backend) -> Result<> {
      ++loads;
      if (backend.name() == "cpu") return {};
      return Error(code, "it does not fit");
    };
  };
  for (const auto& [name, code, replaced] :
       {std::tuple("auto", ErrorCode::kExhausted, true),
        std::tuple("auto", ErrorCode::kCancelled, false),
        std::tuple("vulkan", ErrorCode::kExhausted, false)}) {
    auto backend = kernels::make_reference_backend();  // in a GPU's place
    loads = 0;
    const auto loaded = load_with(backend, choice(name), load(code));
    EXPECT_EQ(loaded.ok(), replaced) << name;
    EXPECT_EQ(backend->name(), replaced ? "cpu" : "reference") << name;
    EXPECT_EQ(loads, replaced ? 2 : 1) << name;
  }
}

// A device that fails the known-answer test is not used.
TEST(BackendChoice, DoesNotTakeADeviceThatFailsItsTest) {
  const auto devices = kernels::list_vulkan_devices();
  if (!devices.ok() || devices->empty()) GTEST_SKIP() << "no Vulkan device here";
  BackendChoice broken = choice("vulkan", devices->front().name);
  broken.vulkan_lost = std::make_shared<std::atomic<bool>>(true);
  EXPECT_EQ(make_backend(broken).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace weft::node
