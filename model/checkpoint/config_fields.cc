#include "model/checkpoint/config_fields.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();

}  // namespace

void SetUnstatedHeads(ModelConfig& config) {
  if (config.num_kv_heads == 0) config.num_kv_heads = config.num_heads;
  if (config.head_size == 0) config.head_size = config.hidden_size / config.num_heads;
}

template <typename Found, typename Value>
void ConfigFields::Keep(const absl::StatusOr<std::optional<Found>>& found, Value& value) {
  if (!found.ok()) {
    Fail(found.status());
  } else if (status_.ok() && found->has_value()) {
    value = static_cast<Value>(**found);
  }
}

template <typename Value>
void ConfigFields::Require(absl::string_view key, int64_t max, Value& value) {
  const absl::StatusOr<std::optional<int64_t>> found = FindInteger(key, 1, max);
  if (found.ok() && !found->has_value()) Fail(Missing(key));
  Keep(found, value);
}

void ConfigFields::Size(absl::string_view key, int32_t& size) { Require(key, kMaxInt32, size); }
void ConfigFields::Length(absl::string_view key, int64_t& tokens) { Require(key, kMaxConfigTokens, tokens); }
void ConfigFields::OptionalLength(absl::string_view key, int64_t& tokens) {
  Keep(FindInteger(key, 1, kMaxConfigTokens), tokens);
}
void ConfigFields::OptionalSize(absl::string_view key, int32_t min, int32_t& size) {
  Keep(FindInteger(key, min, kMaxInt32), size);
}
void ConfigFields::Real(absl::string_view key, double& value) { Keep(FindReal(key), value); }
void ConfigFields::Real(absl::string_view key, float& value) { Keep(FindReal(key), value); }
void ConfigFields::Bool(absl::string_view key, bool& value) { Keep(FindBool(key), value); }
void ConfigFields::Text(absl::string_view key, std::string& value) { Keep(FindText(key), value); }

absl::StatusOr<std::optional<int64_t>> JsonFields::FindInteger(absl::string_view key, int64_t min, int64_t max) {
  return object_.FindInteger(key, min, max);
}
absl::StatusOr<std::optional<double>> JsonFields::FindReal(absl::string_view key) { return object_.FindReal(key); }
absl::StatusOr<std::optional<bool>> JsonFields::FindBool(absl::string_view key) { return object_.FindBool(key); }
absl::StatusOr<std::optional<std::string>> JsonFields::FindText(absl::string_view key) {
  return object_.FindString(key);
}
absl::Status JsonFields::Missing(absl::string_view key) { return object_.Wrong(key, "is missing"); }

absl::StatusOr<std::optional<int64_t>> GgufFields::FindInteger(absl::string_view key, int64_t min, int64_t max) {
  return metadata_.FindInteger(Key(key), min, max);
}
absl::StatusOr<std::optional<double>> GgufFields::FindReal(absl::string_view key) {
  return metadata_.FindReal(Key(key));
}
absl::StatusOr<std::optional<bool>> GgufFields::FindBool(absl::string_view key) { return metadata_.FindBool(Key(key)); }
absl::StatusOr<std::optional<std::string>> GgufFields::FindText(absl::string_view key) {
  const absl::StatusOr<std::optional<absl::string_view>> text = metadata_.FindString(Key(key));
  if (!text.ok()) return text.status();
  return text->has_value() ? std::optional<std::string>(**text) : std::nullopt;
}
absl::Status GgufFields::Missing(absl::string_view key) {
  return absl::InvalidArgumentError(absl::StrCat("metadata key ", Key(key), " is missing"));
}

}  // namespace perennial
