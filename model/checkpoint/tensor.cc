#include "model/checkpoint/tensor.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/error_text.h"
#include "model/checkpoint/tensor_size.h"

namespace perennial {
namespace {

struct TypeTraits {
  absl::string_view name;
  int32_t block_elements;
  int32_t block_bytes;
};

// In the order of TensorType.
constexpr TypeTraits kTypes[] = {{"F32", 1, 4},      {"F16", 1, 2},      {"BF16", 1, 2},    {"Q8_0", 32, 34},
                                 {"Q4_0", 32, 18},   {"Q4_1", 32, 20},   {"Q5_0", 32, 22},  {"Q5_1", 32, 24},
                                 {"Q4_K", 256, 144}, {"Q5_K", 256, 176}, {"Q6_K", 256, 210}};

const TypeTraits& Traits(TensorType type) { return kTypes[static_cast<int>(type)]; }

}  // namespace

absl::string_view TensorTypeName(TensorType type) { return Traits(type).name; }
int32_t BlockElements(TensorType type) { return Traits(type).block_elements; }
int32_t BlockBytes(TensorType type) { return Traits(type).block_bytes; }

int64_t TensorView::num_elements() const {
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  return elements;
}

absl::StatusOr<uint64_t> TensorBytes(TensorType type, absl::Span<const int64_t> shape) {
  if (shape.empty()) return absl::InvalidArgumentError("has no dimensions");
  int64_t elements = 1;
  for (const int64_t size : shape) {
    if (size < 1)
      return absl::InvalidArgumentError(absl::StrCat("has a dimension of ", size, "; at least 1 is needed"));
    if (size > kMaxTensorElements / elements) {
      return absl::InvalidArgumentError(
          absl::StrCat("has shape ", ShapeText(shape), ", more than the ", kMaxTensorElements, " elements allowed"));
    }
    elements *= size;
  }
  if (shape.back() % BlockElements(type) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("has rows of ", shape.back(), " elements, not a multiple of ",
                                                   TensorTypeName(type), "'s ", BlockElements(type)));
  }
  return static_cast<uint64_t>(elements / BlockElements(type)) * static_cast<uint64_t>(BlockBytes(type));
}

absl::Status CheckDisjoint(std::vector<TensorExtent> extents) {
  std::sort(extents.begin(), extents.end(),
            [](const TensorExtent& a, const TensorExtent& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].begin < extents[i - 1].end) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(extents[i].name), " overlaps tensor ",
                                                     Quoted(extents[i - 1].name), " at offset ", extents[i].begin));
    }
  }
  return absl::OkStatus();
}

}  // namespace perennial
