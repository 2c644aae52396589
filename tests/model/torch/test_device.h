// Where the runner's tests and benchmarks compute: on the CPU, or where the environment variable PERENNIAL_TEST_DEVICE
// says ("cuda", "cuda:1"), so that one suite proves both.

#ifndef PERENNIAL_TESTS_MODEL_TORCH_TEST_DEVICE_H_
#define PERENNIAL_TESTS_MODEL_TORCH_TEST_DEVICE_H_

#include <string>

namespace perennial {

// For TorchOptions::device: "cpu" unless the variable names another. CUDA is loaded then, before main starts; if that
// fails, the reason is on standard error and every runner of the program is refused.
const std::string& TestDevice();

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_TORCH_TEST_DEVICE_H_
