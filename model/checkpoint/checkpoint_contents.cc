#include "model/checkpoint/checkpoint_contents.h"

#include <algorithm>
#include <utility>

#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

class LoadedCheckpoint final : public Checkpoint {
 public:
  LoadedCheckpoint(std::string path, CheckpointContents contents, std::vector<MappedFile> files)
      : path_(std::move(path)), files_(std::move(files)), contents_(std::move(contents)) {}

  const ModelConfig& config() const override { return contents_.config; }
  const TokenizerSource& tokenizer() const override { return contents_.tokenizer; }
  const std::string& chat_template() const override { return contents_.chat_template; }
  const std::string& bos_text() const override { return contents_.bos_text; }
  const std::string& eos_text() const override { return contents_.eos_text; }
  const GenerationDefaults& generation() const override { return contents_.generation; }
  const std::string& path() const override { return path_; }

  absl::StatusOr<TensorView> Tensor(absl::string_view canonical_name,
                                    const std::vector<int64_t>& expected_shape) const override {
    absl::StatusOr<TensorView> found = contents_.tensors.Get(canonical_name, expected_shape);
    if (!found.ok()) return Within(path_, found.status());
    return found;
  }

 private:
  const std::string path_;
  const std::vector<MappedFile> files_;  // declared before contents_, which views them
  const CheckpointContents contents_;
};

}  // namespace

absl::Status CheckContents(const CheckpointContents& contents) {
  if (absl::Status config = ValidateModelConfig(contents.config); !config.ok()) return config;
  return CheckTensors(contents.config, contents.tensors);
}

absl::Span<const absl::string_view> EndOfTurnLiterals() {
  static constexpr absl::string_view kLiterals[] = {
      "<|im_end|>", "<|eot_id|>", "<|eom_id|>",    "<|end_of_text|>",       "<|endoftext|>",
      "</s>",       "<|end|>",    "<end_of_turn>", "<|END_OF_TURN_TOKEN|>", "<|return|>",
  };
  return kLiterals;
}

void AddEndToken(TokenId token, ModelConfig& config) {
  std::vector<TokenId>& tokens = config.end_tokens;
  if (std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
}

int64_t TrainedTokens(int64_t stated_tokens, const RopeScaling& scaling) {
  constexpr int64_t kTooMany = int64_t{1} << 50;
  const auto scaled = [&scaling](int64_t tokens) {
    const double length = static_cast<double>(tokens) * scaling.factor;
    return length >= 0 && length < static_cast<double>(kTooMany) ? static_cast<int64_t>(length) : kTooMany;
  };
  if (scaling.kind == RopeScalingKind::kLinear) return scaled(stated_tokens);
  if (scaling.kind == RopeScalingKind::kYarn) return std::max(stated_tokens, scaled(scaling.original_length));
  return stated_tokens;
}

std::unique_ptr<Checkpoint> MakeCheckpoint(std::string path, CheckpointContents contents,
                                           std::vector<MappedFile> files) {
  return std::make_unique<LoadedCheckpoint>(std::move(path), std::move(contents), std::move(files));
}

}  // namespace perennial
