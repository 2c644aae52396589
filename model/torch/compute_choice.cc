#include "model/torch/compute_choice.h"

#include <ATen/Context.h>
#include <dlfcn.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/torch/torch_model_runner.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace perennial {

absl::Status LoadTorchCuda() {
  // Loading it registers CUDA's kernels with the dispatcher. The handle is kept: the library stays until the end.
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("CUDA is not available: ", dlerror(), "; install libtorch's CUDA libraries, or use --device=cpu"));
}

bool HasFastBfloat16() {
#if defined(__x86_64__)
  unsigned int eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned int kExtendedFeatures = 7;
  if (__get_cpuid_count(kExtendedFeatures, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1u << 22)) != 0) return true;
  if (__get_cpuid_count(kExtendedFeatures, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & (1u << 5)) != 0) return true;
#endif
  return false;
}

absl::StatusOr<c10::Device> ChooseDevice(absl::string_view device) {
  if (device == "cpu") return c10::Device(c10::kCPU);
  absl::string_view number = device;
  int32_t index = 0;
  if (!absl::ConsumePrefix(&number, "cuda") ||
      (!number.empty() &&
       (!absl::ConsumePrefix(&number, ":") || number.size() > 3 || !absl::SimpleAtoi(number, &index) || index < 0))) {
    return absl::InvalidArgumentError(absl::StrCat("device is \"", device, "\"; it must be cpu, cuda or cuda:N"));
  }
  if (!at::hasCUDA()) {
    return absl::FailedPreconditionError(
        absl::StrCat("device is \"", device, "\", but no CUDA device can be used here; use --device=cpu"));
  }
  // NOLINTNEXTLINE(bugprone-signed-char-misuse): libtorch's DeviceIndex is a small number, not a character.
  const int64_t count = at::globalContext().getAcceleratorHooksInterface(c10::kCUDA).deviceCount();
  if (index >= count) {
    return absl::FailedPreconditionError(
        absl::StrCat("device is \"", device, "\", but there are ", count, " CUDA devices"));
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

absl::StatusOr<c10::ScalarType> ChooseDtype(absl::string_view dtype, c10::Device device) {
  if (dtype == "auto") return device.is_cuda() || HasFastBfloat16() ? c10::kBFloat16 : c10::kFloat;
  if (dtype == "float32") return c10::kFloat;
  if (dtype == "bfloat16") return c10::kBFloat16;
  if (dtype == "float16" && device.is_cuda()) return c10::kHalf;
  return absl::InvalidArgumentError(absl::StrCat("dtype is \"", dtype, "\"; it must be auto, float32 or bfloat16",
                                                 device.is_cuda() ? ", or float16" : " (float16 only on CUDA)"));
}

std::string DtypeName(c10::ScalarType dtype) {
  switch (dtype) {
    case c10::kFloat:
      return "float32";
    case c10::kBFloat16:
      return "bfloat16";
    case c10::kHalf:
      return "float16";
    default:
      return c10::toString(dtype);
  }
}

}  // namespace perennial
