// Reading many members of a configuration, of either format, over values that keep their default where a member is
// absent. The first error stays and later reads do nothing, so that a family is a list of fields and one check.

#ifndef PERENNIAL_MODEL_CHECKPOINT_CONFIG_FIELDS_H_
#define PERENNIAL_MODEL_CHECKPOINT_CONFIG_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/gguf_metadata.h"
#include "model/checkpoint/json_object.h"
#include "model/model_config.h"

namespace perennial {

// Far beyond any model's length; ValidateModelConfig has the last word.
inline constexpr int64_t kMaxConfigTokens = int64_t{1} << 40;

// What configurations leave out: num_kv_heads of 0 become num_heads, head_size 0 becomes hidden_size / num_heads.
// REQUIRES: hidden_size and num_heads of at least 1.
void SetUnstatedHeads(ModelConfig& config);

// What the two formats have in common. Sizes are 32-bit, reals finite. Not thread-safe; for one pass over one file.
class ConfigFields {
 public:
  virtual ~ConfigFields() = default;

  // The first error, which names the key as the file has it, its value and what it may be; OK while there is none.
  const absl::Status& status() const { return status_; }

  // Notes an error that the caller has found. Later ones, and an OK status, change nothing.
  void Fail(absl::Status status) { status_.Update(std::move(status)); }

  // Each reads the member `key`, the family's word for it, over its last argument, which stays as it is after an error,
  // this one or an earlier one. A value of another type or out of range is INVALID_ARGUMENT.

  // At least 1, up to 2^31 - 1 or kMaxConfigTokens; INVALID_ARGUMENT if absent.
  void Size(absl::string_view key, int32_t& size);
  void Length(absl::string_view key, int64_t& tokens);

  // The same for members that may be absent: then the argument stays. At least 1 and `min` (which may be 0).
  void OptionalLength(absl::string_view key, int64_t& tokens);
  void OptionalSize(absl::string_view key, int32_t min, int32_t& size);
  void Real(absl::string_view key, double& value);
  void Real(absl::string_view key, float& value);
  void Bool(absl::string_view key, bool& value);
  void Text(absl::string_view key, std::string& value);

 protected:
  // Look-ups of one format: nothing for a member that is absent, in JSON also for null. Missing makes the error for one
  // that is needed.
  virtual absl::StatusOr<std::optional<int64_t>> FindInteger(absl::string_view key, int64_t min, int64_t max) = 0;
  virtual absl::StatusOr<std::optional<double>> FindReal(absl::string_view key) = 0;
  virtual absl::StatusOr<std::optional<bool>> FindBool(absl::string_view key) = 0;
  virtual absl::StatusOr<std::optional<std::string>> FindText(absl::string_view key) = 0;
  virtual absl::Status Missing(absl::string_view key) = 0;

 private:
  // Puts what was found over `value`; keeps it if there was nothing.
  template <typename Found, typename Value>
  void Keep(const absl::StatusOr<std::optional<Found>>& found, Value& value);
  template <typename Value>
  void Require(absl::string_view key, int64_t max, Value& value);

  absl::Status status_;
};

// Members of config.json, or of an object inside it. `object` is a view: its JSON must outlive this.
class JsonFields final : public ConfigFields {
 public:
  explicit JsonFields(const JsonObject& object) : object_(object) {}

  const JsonObject& object() const { return object_; }

 private:
  absl::StatusOr<std::optional<int64_t>> FindInteger(absl::string_view key, int64_t min, int64_t max) override;
  absl::StatusOr<std::optional<double>> FindReal(absl::string_view key) override;
  absl::StatusOr<std::optional<bool>> FindBool(absl::string_view key) override;
  absl::StatusOr<std::optional<std::string>> FindText(absl::string_view key) override;
  absl::Status Missing(absl::string_view key) override;

  const JsonObject object_;
};

// Keys of a GGUF file that begin with the architecture's name: "block_count" is "llama.block_count".
class GgufFields final : public ConfigFields {
 public:
  // `metadata` outlives this.
  GgufFields(const GgufMetadata& metadata, absl::string_view architecture)
      : metadata_(metadata), prefix_(std::string(architecture) + ".") {}

  const GgufMetadata& metadata() const { return metadata_; }
  std::string Key(absl::string_view key) const { return prefix_ + std::string(key); }  // as the file has it

 private:
  absl::StatusOr<std::optional<int64_t>> FindInteger(absl::string_view key, int64_t min, int64_t max) override;
  absl::StatusOr<std::optional<double>> FindReal(absl::string_view key) override;
  absl::StatusOr<std::optional<bool>> FindBool(absl::string_view key) override;
  absl::StatusOr<std::optional<std::string>> FindText(absl::string_view key) override;
  absl::Status Missing(absl::string_view key) override;

  const GgufMetadata& metadata_;
  const std::string prefix_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_CONFIG_FIELDS_H_
