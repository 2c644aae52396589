// JSON files of a checkpoint: parsed within limits, and looked up with errors that name the key.

#ifndef PERENNIAL_MODEL_CHECKPOINT_JSON_OBJECT_H_
#define PERENNIAL_MODEL_CHECKPOINT_JSON_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace perennial {

// Objects and arrays inside each other, at most. Real files have fewer than ten; more could overflow the stack of
// whoever walks the tree.
inline constexpr int kMaxJsonDepth = 64;

// Parses a JSON object. `keep`, if not empty, names the members that are kept; the others are checked but not stored.
// INVALID_ARGUMENT for more than `max_bytes`, deeper nesting, text that is not JSON in UTF-8, anything but an object at
// the top, or a member of the top object that occurs twice (which of the two counts would be anybody's guess).
absl::StatusOr<nlohmann::json> ParseJsonObject(absl::string_view text, size_t max_bytes,
                                               absl::Span<const absl::string_view> keep = {});

// Typed look-ups in a parsed object, which must outlive this. Thread-safe.
//
// `Find…` gives an unset optional for a key that is absent or null, `Get…` makes that an INVALID_ARGUMENT; both answer
// INVALID_ARGUMENT for a value of another type or out of range.
class JsonObject {
 public:
  // `where` is put before the key in errors: "", or "rope_scaling." for a nested object. REQUIRES: an object.
  explicit JsonObject(const nlohmann::json& object, std::string where = "");

  // nullptr if absent or null.
  const nlohmann::json* Find(absl::string_view key) const;
  // True if it is there and null: where a default is something, null says that there is nothing.
  bool IsNull(absl::string_view key) const;

  absl::StatusOr<int64_t> GetInteger(absl::string_view key, int64_t min, int64_t max) const;
  absl::StatusOr<std::optional<int64_t>> FindInteger(absl::string_view key, int64_t min, int64_t max) const;
  // One integer or a list of them; empty if absent.
  absl::StatusOr<std::vector<int64_t>> FindIntegers(absl::string_view key, int64_t min, int64_t max) const;
  absl::StatusOr<std::optional<double>> FindReal(absl::string_view key) const;  // finite; integers are accepted too
  absl::StatusOr<std::optional<bool>> FindBool(absl::string_view key) const;
  absl::StatusOr<std::optional<std::string>> FindString(absl::string_view key) const;
  // A string, or an object with a string member "content", as tokenizers write their special tokens.
  absl::StatusOr<std::optional<std::string>> FindTokenText(absl::string_view key) const;
  absl::StatusOr<std::optional<JsonObject>> FindObject(absl::string_view key) const;

  // INVALID_ARGUMENT "key WHERE.KEY REASON".
  absl::Status Wrong(absl::string_view key, absl::string_view reason) const;

 private:
  const nlohmann::json* object_;
  std::string where_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_JSON_OBJECT_H_
