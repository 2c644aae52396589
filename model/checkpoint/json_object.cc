#include "model/checkpoint/json_object.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

using nlohmann::json;

// The deepest nesting of brackets outside strings. Cheap, and before any parser sees the text.
int BracketDepth(absl::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

std::optional<int64_t> ToInteger(const json& value) {
  if (value.is_number_unsigned()) {
    const uint64_t number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  return std::nullopt;
}

}  // namespace

absl::StatusOr<json> ParseJsonObject(absl::string_view text, size_t max_bytes,
                                     absl::Span<const absl::string_view> keep) {
  if (text.size() > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", text.size(), " bytes, more than the ", max_bytes, " allowed"));
  }
  if (const int depth = BracketDepth(text); depth > kMaxJsonDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("is nested ", depth, " levels deep, more than the ", kMaxJsonDepth, " allowed"));
  }
  absl::flat_hash_set<std::string> seen;
  std::string twice;
  const auto on_event = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event != json::parse_event_t::key || depth != 1) return true;
    const std::string& key = parsed.get_ref<const std::string&>();
    if (!seen.insert(key).second && twice.empty()) twice = absl::StrCat("member ", Quoted(key), " occurs twice");
    return keep.empty() || std::find(keep.begin(), keep.end(), absl::string_view(key)) != keep.end();
  };
  json parsed = json::parse(text.begin(), text.end(), on_event, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return absl::InvalidArgumentError("is not valid JSON");
  if (!parsed.is_object()) return absl::InvalidArgumentError("is not a JSON object");
  if (!twice.empty()) return absl::InvalidArgumentError(twice);
  return parsed;
}

JsonObject::JsonObject(const json& object, std::string where) : object_(&object), where_(std::move(where)) {
  PERENNIAL_CHECK(object.is_object());
}

const json* JsonObject::Find(absl::string_view key) const {
  const auto found = object_->find(std::string(key));
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

bool JsonObject::IsNull(absl::string_view key) const {
  const auto found = object_->find(std::string(key));
  return found != object_->end() && found->is_null();
}

absl::Status JsonObject::Wrong(absl::string_view key, absl::string_view reason) const {
  return absl::InvalidArgumentError(absl::StrCat("key ", where_, key, " ", reason));
}

absl::StatusOr<std::optional<int64_t>> JsonObject::FindInteger(absl::string_view key, int64_t min, int64_t max) const {
  const json* const value = Find(key);
  if (value == nullptr) return std::optional<int64_t>();
  const std::optional<int64_t> number = ToInteger(*value);
  if (!number.has_value()) return Wrong(key, "is not an integer below 2^63");
  if (*number < min || *number > max) {
    return Wrong(key, absl::StrCat("is ", *number, "; it must be from ", min, " to ", max));
  }
  return number;
}

absl::StatusOr<int64_t> JsonObject::GetInteger(absl::string_view key, int64_t min, int64_t max) const {
  const absl::StatusOr<std::optional<int64_t>> number = FindInteger(key, min, max);
  if (!number.ok()) return number.status();
  if (!number->has_value()) return Wrong(key, "is missing");
  return **number;
}

absl::StatusOr<std::vector<int64_t>> JsonObject::FindIntegers(absl::string_view key, int64_t min, int64_t max) const {
  const json* const value = Find(key);
  std::vector<int64_t> numbers;
  if (value == nullptr) return numbers;
  const auto add = [&](const json& element) {
    const std::optional<int64_t> number = ToInteger(element);
    if (!number.has_value() || *number < min || *number > max) return false;
    numbers.push_back(*number);
    return true;
  };
  const bool all_added = value->is_array() ? std::all_of(value->begin(), value->end(), add) : add(*value);
  if (!all_added) return Wrong(key, absl::StrCat("is not an integer, or a list of them, from ", min, " to ", max));
  return numbers;
}

absl::StatusOr<std::optional<double>> JsonObject::FindReal(absl::string_view key) const {
  const json* const value = Find(key);
  if (value == nullptr) return std::optional<double>();
  if (!value->is_number() || !std::isfinite(value->get<double>())) return Wrong(key, "is not a finite number");
  return std::optional<double>(value->get<double>());
}

absl::StatusOr<std::optional<bool>> JsonObject::FindBool(absl::string_view key) const {
  const json* const value = Find(key);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_boolean()) return Wrong(key, "is not true or false");
  return std::optional<bool>(value->get<bool>());
}

absl::StatusOr<std::optional<std::string>> JsonObject::FindString(absl::string_view key) const {
  const json* const value = Find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return Wrong(key, "is not a string");
  return std::optional<std::string>(value->get_ref<const std::string&>());
}

absl::StatusOr<std::optional<std::string>> JsonObject::FindTokenText(absl::string_view key) const {
  const json* const value = Find(key);
  if (value != nullptr && value->is_object()) {
    return JsonObject(*value, absl::StrCat(where_, key, ".")).FindString("content");
  }
  return FindString(key);
}

absl::StatusOr<std::optional<JsonObject>> JsonObject::FindObject(absl::string_view key) const {
  const json* const value = Find(key);
  if (value == nullptr) return std::optional<JsonObject>();
  if (!value->is_object()) return Wrong(key, "is not an object");
  return std::optional<JsonObject>(JsonObject(*value, absl::StrCat(where_, key, ".")));
}

}  // namespace perennial
