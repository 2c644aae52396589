// Typed look-ups in a GGUF file's metadata. Every getter says in its error which key is wrong and why.

#ifndef PERENNIAL_MODEL_CHECKPOINT_GGUF_METADATA_H_
#define PERENNIAL_MODEL_CHECKPOINT_GGUF_METADATA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/gguf_reader.h"

namespace perennial {

// Views a GgufFile, which must outlive it. Thread-safe.
//
// `Find…` gives an unset optional for a key that is absent, `Get…` makes that an INVALID_ARGUMENT; both answer
// INVALID_ARGUMENT for a value of another type or out of range.
class GgufMetadata {
 public:
  explicit GgufMetadata(const GgufFile& file) : file_(file) {}

  // An integer of any width within [min, max]. An array whose elements are all equal counts as that one number
  // (some converters write per-layer arrays); unequal ones are UNIMPLEMENTED.
  absl::StatusOr<int64_t> GetInteger(absl::string_view key, int64_t min, int64_t max) const;
  absl::StatusOr<std::optional<int64_t>> FindInteger(absl::string_view key, int64_t min, int64_t max) const;

  // A number; integers are accepted too. Finite.
  absl::StatusOr<std::optional<double>> FindReal(absl::string_view key) const;

  absl::StatusOr<std::optional<bool>> FindBool(absl::string_view key) const;
  absl::StatusOr<std::optional<absl::string_view>> FindString(absl::string_view key) const;
  absl::StatusOr<absl::string_view> GetString(absl::string_view key) const;

  // nullptr if the key is absent.
  absl::StatusOr<const GgufArray*> FindArray(absl::string_view key) const;
  // nullptr if the key is absent, or has a value of another type.
  const GgufArray* FindArrayOrNull(absl::string_view key) const;

 private:
  const GgufValue* Find(absl::string_view key) const;

  const GgufFile& file_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_GGUF_METADATA_H_
