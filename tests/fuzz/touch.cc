#include "tests/fuzz/touch.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "model/check.h"

namespace perennial {

void CheckOneLine(const absl::Status& status) {
  if (status.ok()) return;
  PERENNIAL_CHECK(!status.message().empty());
  PERENNIAL_CHECK(status.message().size() < 4096);
  for (const char c : status.message()) PERENNIAL_CHECK(absl::ascii_isprint(static_cast<unsigned char>(c)));
  PERENNIAL_CHECK(status.code() == absl::StatusCode::kInvalidArgument ||
                  status.code() == absl::StatusCode::kUnimplemented || status.code() == absl::StatusCode::kNotFound);
}

void TouchTensors(absl::Span<const std::byte> file, absl::Span<const TensorView> tensors) {
  int64_t budget = 1 << 20;
  std::vector<float> values;
  for (const TensorView& tensor : tensors) {
    PERENNIAL_CHECK(tensor.bytes.data() >= file.data());
    PERENNIAL_CHECK(tensor.bytes.data() + tensor.bytes.size() <= file.data() + file.size());
    budget -= tensor.num_elements();
    if (budget < 0) return;
    values.resize(tensor.num_elements());
    Dequantize(tensor, absl::MakeSpan(values));
  }
}

void TouchContents(const absl::StatusOr<CheckpointContents>& contents) {
  CheckOneLine(contents.status());
  if (!contents.ok()) return;
  PERENNIAL_CHECK(ValidateModelConfig(contents->config).ok());
  for (const TensorNeed& need : TensorsNeeded(contents->config)) {
    PERENNIAL_CHECK(contents->tensors.Get(need.canonical_name, need.shape).ok());
  }
  if (const GgufVocabulary* vocabulary = std::get_if<GgufVocabulary>(&contents->tokenizer)) {
    PERENNIAL_CHECK(vocabulary->tokens.size() == static_cast<size_t>(contents->config.vocab_size));
    PERENNIAL_CHECK(vocabulary->types.size() == vocabulary->tokens.size());
  }
}

}  // namespace perennial
