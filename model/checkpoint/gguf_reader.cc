#include "model/checkpoint/gguf_reader.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/checkpoint/byte_cursor.h"
#include "model/checkpoint/error_text.h"
#include "model/checkpoint/tensor_size.h"

namespace perennial {
namespace {

constexpr uint64_t kMinKeyBytes = 8 + 4 + 1;             // length, type, the smallest value
constexpr uint64_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;  // length, dimensions, one dimension, type, offset

// GGML's type number to ours, and names for those that are not supported.
absl::StatusOr<TensorType> TensorTypeFromGgml(uint32_t type) {
  switch (type) {
    case 0:
      return TensorType::kF32;
    case 1:
      return TensorType::kF16;
    case 2:
      return TensorType::kQ4_0;
    case 3:
      return TensorType::kQ4_1;
    case 6:
      return TensorType::kQ5_0;
    case 7:
      return TensorType::kQ5_1;
    case 8:
      return TensorType::kQ8_0;
    case 12:
      return TensorType::kQ4_K;
    case 13:
      return TensorType::kQ5_K;
    case 14:
      return TensorType::kQ6_K;
    case 30:
      return TensorType::kBF16;
    default:
      break;
  }
  // Empty: the number was withdrawn, or is beyond the last one known.
  static constexpr absl::string_view kOthers[] = {
      "",       "",      "",      "",       "",      "",      "",        "",       "",        "Q8_1",
      "Q2_K",   "Q3_K",  "",      "",       "",      "Q8_K",  "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S",
      "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",    "I16",   "I32",     "I64",    "F64",     "IQ1_M",
      "",       "",      "",      "",       "TQ1_0", "TQ2_0", "",        "",       "",        "MXFP4"};
  const absl::string_view name = type < std::size(kOthers) ? kOthers[type] : "";
  return absl::UnimplementedError(
      absl::StrCat("has type ", name.empty() ? absl::StrCat("number ", type) : std::string(name),
                   "; supported are F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K"));
}

// A tensor's description, not yet placed.
struct TensorPlan {
  TensorView view;
  uint64_t offset = 0;  // from the start of the tensor bytes
  uint64_t size = 0;    // bytes
};

absl::StatusOr<TensorPlan> ReadTensorPlan(ByteCursor& cursor) {
  const absl::StatusOr<absl::string_view> name = ReadGgufString(cursor, GgufLimits::kMaxTensorNameBytes);
  if (!name.ok()) return Within("a tensor's name", name.status());
  const std::string where = absl::StrCat("tensor ", Quoted(*name));
  const auto truncated = [&where] {
    return absl::InvalidArgumentError(absl::StrCat("the file ends inside the description of ", where));
  };
  TensorPlan plan;
  plan.view.name = std::string(*name);
  uint32_t num_dimensions = 0;
  if (!cursor.Read(&num_dimensions)) return truncated();
  if (num_dimensions > GgufLimits::kMaxDimensions) {
    return absl::InvalidArgumentError(absl::StrCat(where, " has ", num_dimensions, " dimensions; at most ",
                                                   GgufLimits::kMaxDimensions, " are allowed"));
  }
  plan.view.shape.resize(num_dimensions);
  for (uint32_t i = 0; i < num_dimensions; ++i) {
    uint64_t size = 0;
    if (!cursor.Read(&size)) return truncated();
    if (size > static_cast<uint64_t>(kMaxTensorElements)) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, " has a dimension of ", size, ", more than the ", kMaxTensorElements, " allowed"));
    }
    plan.view.shape[num_dimensions - 1 - i] = static_cast<int64_t>(size);  // the file has the innermost first
  }
  uint32_t type = 0;
  if (!cursor.Read(&type) || !cursor.Read(&plan.offset)) return truncated();
  const absl::StatusOr<TensorType> known_type = TensorTypeFromGgml(type);
  if (!known_type.ok()) {
    return absl::Status(known_type.status().code(), absl::StrCat(where, " ", known_type.status().message()));
  }
  plan.view.type = *known_type;
  const absl::StatusOr<uint64_t> size = TensorBytes(plan.view.type, plan.view.shape);
  if (!size.ok()) return absl::Status(size.status().code(), absl::StrCat(where, " ", size.status().message()));
  plan.size = *size;
  return plan;
}

absl::StatusOr<uint64_t> Alignment(const GgufFile& file) {
  const auto found = file.metadata.find("general.alignment");
  if (found == file.metadata.end()) return 32;  // the format's default
  const uint64_t* alignment = std::get_if<uint64_t>(&found->second);
  if (alignment == nullptr || *alignment < 8 || *alignment > GgufLimits::kMaxAlignment ||
      (*alignment & (*alignment - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("general.alignment must be an unsigned power of two from 8 to ", GgufLimits::kMaxAlignment));
  }
  return *alignment;
}

absl::Status ReadMetadata(ByteCursor& cursor, uint64_t num_keys, GgufFile& file) {
  file.metadata.reserve(num_keys);
  for (uint64_t i = 0; i < num_keys; ++i) {
    const absl::StatusOr<absl::string_view> key = ReadGgufString(cursor, GgufLimits::kMaxKeyBytes);
    if (!key.ok()) return Within(absl::StrCat("metadata key number ", i), key.status());
    absl::StatusOr<GgufValue> value = ReadGgufValue(cursor);
    if (!value.ok()) return Within(absl::StrCat("metadata key ", Quoted(*key)), value.status());
    if (!file.metadata.emplace(*key, *std::move(value)).second) {
      return absl::InvalidArgumentError(absl::StrCat("metadata key ", Quoted(*key), " occurs twice"));
    }
  }
  return absl::OkStatus();
}

// Gives every planned tensor its bytes in `all`, the part of the file after the header.
absl::Status PlaceTensors(absl::Span<const std::byte> all, uint64_t alignment, std::vector<TensorPlan> plans,
                          GgufFile& file) {
  std::vector<TensorExtent> extents;
  extents.reserve(plans.size());
  for (const TensorPlan& plan : plans) {
    const std::string where = absl::StrCat("tensor ", Quoted(plan.view.name));
    if (plan.offset % alignment != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, " is at offset ", plan.offset, ", not a multiple of the alignment ", alignment));
    }
    if (plan.offset > all.size() || plan.size > all.size() - plan.offset) {
      return absl::InvalidArgumentError(absl::StrCat(where, " needs ", plan.size, " bytes at offset ", plan.offset,
                                                     ", but the file has ", all.size(),
                                                     " bytes of tensors; it may be truncated"));
    }
    extents.push_back({.begin = plan.offset, .end = plan.offset + plan.size, .name = plan.view.name});
  }
  if (absl::Status disjoint = CheckDisjoint(std::move(extents)); !disjoint.ok()) return disjoint;
  file.tensors.reserve(plans.size());
  for (TensorPlan& plan : plans) {
    plan.view.bytes = all.subspan(plan.offset, plan.size);
    file.tensors.push_back(std::move(plan.view));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GgufFile> ReadGguf(absl::Span<const std::byte> bytes) {
  ByteCursor cursor(bytes);
  GgufFile file;
  uint32_t magic = 0;
  if (!cursor.Read(&magic) || magic != 0x46554747) return absl::InvalidArgumentError("not a GGUF file");
  if (!cursor.Read(&file.version)) return absl::InvalidArgumentError("the file ends inside the GGUF header");
  if (file.version != 2 && file.version != 3) {
    if (file.version != 0 && (file.version & 0xFFFF) == 0) {
      return absl::UnimplementedError("the file is big-endian GGUF; only little-endian files are supported");
    }
    return absl::UnimplementedError(
        absl::StrCat("the file has GGUF version ", file.version, "; supported are versions 2 and 3"));
  }
  uint64_t num_tensors = 0;
  uint64_t num_keys = 0;
  if (!cursor.Read(&num_tensors) || !cursor.Read(&num_keys)) {
    return absl::InvalidArgumentError("the file ends inside the GGUF header");
  }
  if (num_tensors > GgufLimits::kMaxTensors || num_tensors > cursor.remaining() / kMinTensorBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the header claims ", num_tensors,
                                                   " tensors, more than the limit of ", GgufLimits::kMaxTensors,
                                                   " or than the file can hold"));
  }
  if (num_keys > GgufLimits::kMaxKeys || num_keys > cursor.remaining() / kMinKeyBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the header claims ", num_keys,
                                                   " metadata keys, more than the limit of ", GgufLimits::kMaxKeys,
                                                   " or than the file can hold"));
  }
  if (absl::Status metadata = ReadMetadata(cursor, num_keys, file); !metadata.ok()) return metadata;
  const absl::StatusOr<uint64_t> alignment = Alignment(file);
  if (!alignment.ok()) return alignment.status();

  std::vector<TensorPlan> plans;
  absl::flat_hash_set<std::string> names;
  plans.reserve(num_tensors);
  for (uint64_t i = 0; i < num_tensors; ++i) {
    absl::StatusOr<TensorPlan> plan = ReadTensorPlan(cursor);
    if (!plan.ok()) return plan.status();
    if (!names.insert(plan->view.name).second) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(plan->view.name), " occurs twice"));
    }
    plans.push_back(*std::move(plan));
  }
  // Tensor bytes begin at the next multiple of the alignment; a file without tensors may end before it.
  const uint64_t padding = (*alignment - cursor.position() % *alignment) % *alignment;
  const uint64_t tensors_begin = std::min<uint64_t>(cursor.position() + padding, bytes.size());
  absl::Status placed = PlaceTensors(bytes.subspan(tensors_begin), *alignment, std::move(plans), file);
  if (!placed.ok()) return placed;
  return file;
}

}  // namespace perennial
