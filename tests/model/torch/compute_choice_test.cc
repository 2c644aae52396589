#include "model/torch/compute_choice.h"

#include <gtest/gtest.h>

#include "model/torch/torch_model_runner.h"

namespace perennial {
namespace {

TEST(ComputeChoiceTest, KnowsTheCpu) {
  const auto device = ChooseDevice("cpu");
  ASSERT_TRUE(device.ok());
  EXPECT_TRUE(device->is_cpu());
}

TEST(ComputeChoiceTest, RefusesWordsThatAreNoDevice) {
  for (const char* word : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1000", "cuda1", "CPU"}) {
    EXPECT_EQ(ChooseDevice(word).status().code(), absl::StatusCode::kInvalidArgument) << word;
  }
}

TEST(ComputeChoiceTest, TypesByName) {
  const c10::Device cpu(c10::kCPU);
  const c10::Device cuda(c10::kCUDA, 0);
  EXPECT_EQ(*ChooseDtype("float32", cpu), c10::kFloat);
  EXPECT_EQ(*ChooseDtype("bfloat16", cpu), c10::kBFloat16);
  EXPECT_EQ(*ChooseDtype("float16", cuda), c10::kHalf);
  EXPECT_EQ(ChooseDtype("float16", cpu).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ChooseDtype("int8", cuda).status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* name : {"float32", "bfloat16", "float16"}) EXPECT_EQ(DtypeName(*ChooseDtype(name, cuda)), name);
}

TEST(ComputeChoiceTest, AutoIsBfloat16WhereHardwareMultipliesIt) {
  EXPECT_EQ(*ChooseDtype("auto", c10::Device(c10::kCUDA, 0)), c10::kBFloat16);
  EXPECT_EQ(*ChooseDtype("auto", c10::Device(c10::kCPU)), HasFastBfloat16() ? c10::kBFloat16 : c10::kFloat);
}

// Either CUDA can be loaded and then used, or both say in one line why not.
TEST(ComputeChoiceTest, CudaIsAbsentCleanly) {
  const absl::Status loaded = LoadTorchCuda();
  const auto device = ChooseDevice("cuda");
  if (loaded.ok() && device.ok()) {
    EXPECT_TRUE(device->is_cuda());
    return;
  }
  EXPECT_EQ(device.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(loaded.ok() || loaded.code() == absl::StatusCode::kNotFound) << loaded;
}

}  // namespace
}  // namespace perennial
