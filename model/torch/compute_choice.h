// Which device and number type to compute with, from the options' words and what this machine has.

#ifndef PERENNIAL_MODEL_TORCH_COMPUTE_CHOICE_H_
#define PERENNIAL_MODEL_TORCH_COMPUTE_CHOICE_H_

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace perennial {

// True if this processor multiplies bfloat16 in hardware (AMX-BF16 or AVX512-BF16).
bool HasFastBfloat16();

// "cpu", "cuda", "cuda:N". INVALID_ARGUMENT for other words; FAILED_PRECONDITION if CUDA or that GPU is not there.
absl::StatusOr<c10::Device> ChooseDevice(absl::string_view device);

// "auto", "float32", "bfloat16", "float16" for `device`. INVALID_ARGUMENT for other words, and for float16 on a CPU.
absl::StatusOr<c10::ScalarType> ChooseDtype(absl::string_view dtype, c10::Device device);

// "float32", as in the options.
std::string DtypeName(c10::ScalarType dtype);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_COMPUTE_CHOICE_H_
