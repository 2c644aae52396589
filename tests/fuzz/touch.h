// What both fuzz targets do with what a reader accepted: use all of it, so that a wrong size shows under ASan.

#ifndef PERENNIAL_TESTS_FUZZ_TOUCH_H_
#define PERENNIAL_TESTS_FUZZ_TOUCH_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/checkpoint/checkpoint_contents.h"
#include "model/checkpoint/tensor.h"

namespace perennial {

// Ends the process unless the status is OK or says its reason in one line of printable characters.
void CheckOneLine(const absl::Status& status);

// Ends the process unless every tensor lies inside `file`; converts them, up to a million elements in all.
void TouchTensors(absl::Span<const std::byte> file, absl::Span<const TensorView> tensors);

// Checks what a reader promises of a checkpoint that it accepted: a valid configuration, tokens inside the vocabulary,
// every tensor that the network needs.
void TouchContents(const absl::StatusOr<CheckpointContents>& contents);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_FUZZ_TOUCH_H_
