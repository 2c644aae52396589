#include "model/checkpoint/gguf_metadata.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

absl::Status Missing(absl::string_view key) {
  return absl::InvalidArgumentError(absl::StrCat("metadata key ", key, " is missing"));
}

absl::Status WrongType(absl::string_view key, absl::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat("metadata key ", key, " is not ", wanted));
}

// The one number that an array repeats.
absl::StatusOr<int64_t> UniformInteger(absl::string_view key, const GgufArray& array) {
  if (array.size == 0 || array.packed.empty()) return WrongType(key, "an integer or a list of integers");
  std::optional<int64_t> first = array.Integer(0);
  if (!first.has_value()) return WrongType(key, "an integer or a list of integers");
  for (uint64_t i = 1; i < array.size; ++i) {
    if (array.Integer(i) != first) {
      return absl::UnimplementedError(
          absl::StrCat("metadata key ", key, " differs between layers, which is not supported"));
    }
  }
  return *first;
}

}  // namespace

const GgufValue* GgufMetadata::Find(absl::string_view key) const {
  const auto found = file_.metadata.find(key);
  return found == file_.metadata.end() ? nullptr : &found->second;
}

absl::StatusOr<std::optional<int64_t>> GgufMetadata::FindInteger(absl::string_view key, int64_t min,
                                                                 int64_t max) const {
  const GgufValue* const value = Find(key);
  if (value == nullptr) return std::optional<int64_t>();
  std::optional<int64_t> number = ToInteger(*value);
  if (const GgufArray* array = std::get_if<GgufArray>(value)) {
    const absl::StatusOr<int64_t> uniform = UniformInteger(key, *array);
    if (!uniform.ok()) return uniform.status();
    number = *uniform;
  }
  if (!number.has_value()) return WrongType(key, "an integer below 2^63");
  if (*number < min || *number > max) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata key ", key, " is ", *number, "; it must be from ", min, " to ", max));
  }
  return number;
}

absl::StatusOr<int64_t> GgufMetadata::GetInteger(absl::string_view key, int64_t min, int64_t max) const {
  const absl::StatusOr<std::optional<int64_t>> number = FindInteger(key, min, max);
  if (!number.ok()) return number.status();
  if (!number->has_value()) return Missing(key);
  return **number;
}

absl::StatusOr<std::optional<double>> GgufMetadata::FindReal(absl::string_view key) const {
  const GgufValue* const value = Find(key);
  if (value == nullptr) return std::optional<double>();
  const std::optional<double> number = ToReal(*value);
  if (!number.has_value() || !std::isfinite(*number)) return WrongType(key, "a finite number");
  return number;
}

absl::StatusOr<std::optional<bool>> GgufMetadata::FindBool(absl::string_view key) const {
  const GgufValue* const value = Find(key);
  if (value == nullptr) return std::optional<bool>();
  const bool* const truth = std::get_if<bool>(value);
  if (truth == nullptr) return WrongType(key, "a bool");
  return std::optional<bool>(*truth);
}

absl::StatusOr<std::optional<absl::string_view>> GgufMetadata::FindString(absl::string_view key) const {
  const GgufValue* const value = Find(key);
  if (value == nullptr) return std::optional<absl::string_view>();
  const absl::string_view* const text = std::get_if<absl::string_view>(value);
  if (text == nullptr) return WrongType(key, "a string");
  return std::optional<absl::string_view>(*text);
}

absl::StatusOr<absl::string_view> GgufMetadata::GetString(absl::string_view key) const {
  const absl::StatusOr<std::optional<absl::string_view>> text = FindString(key);
  if (!text.ok()) return text.status();
  if (!text->has_value()) return Missing(key);
  return **text;
}

absl::StatusOr<const GgufArray*> GgufMetadata::FindArray(absl::string_view key) const {
  const GgufArray* const array = FindArrayOrNull(key);
  if (array == nullptr && Find(key) != nullptr) return WrongType(key, "an array");
  return array;
}

const GgufArray* GgufMetadata::FindArrayOrNull(absl::string_view key) const {
  const GgufValue* const value = Find(key);
  return value == nullptr ? nullptr : std::get_if<GgufArray>(value);
}

}  // namespace perennial
