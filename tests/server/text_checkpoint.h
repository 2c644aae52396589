// A checkpoint that has text and no tensors: for tests of what stands between a request's texts and the engine.

#ifndef PERENNIAL_TESTS_SERVER_TEXT_CHECKPOINT_H_
#define PERENNIAL_TESTS_SERVER_TEXT_CHECKPOINT_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/checkpoint.h"
#include "model/token.h"

namespace perennial {

// Every printable ASCII character, space and line feed are tokens, then two control tokens.
class TextCheckpoint final : public Checkpoint {
 public:
  explicit TextCheckpoint(std::string chat_template) : chat_template_(std::move(chat_template)) {
    GgufVocabulary vocabulary;
    vocabulary.model = "gpt2";
    vocabulary.pre = "smollm";
    // GPT-2's printable alphabet: enough for plain English.
    for (char c = '!'; c <= '~'; ++c) vocabulary.tokens.emplace_back(1, c);
    vocabulary.tokens.emplace_back("\xc4\xa0");  // space
    vocabulary.tokens.emplace_back("\xc4\x8a");  // line feed
    vocabulary.types.assign(vocabulary.tokens.size(), 1);
    for (const char* control : {"<|im_start|>", "<|im_end|>"}) {
      vocabulary.tokens.emplace_back(control);
      vocabulary.types.push_back(3);
    }
    end_ = static_cast<TokenId>(vocabulary.tokens.size()) - 1;
    config_.end_tokens = {end_};
    tokenizer_ = std::move(vocabulary);
  }

  const ModelConfig& config() const override { return config_; }
  const TokenizerSource& tokenizer() const override { return tokenizer_; }
  const std::string& chat_template() const override { return chat_template_; }
  const std::string& bos_text() const override { return none_; }
  const std::string& eos_text() const override { return none_; }
  const GenerationDefaults& generation() const override { return generation_; }
  const std::string& path() const override { return path_; }
  absl::StatusOr<TensorView> Tensor(absl::string_view name, const std::vector<int64_t>& /*shape*/) const override {
    return absl::NotFoundError(name);
  }

  TokenId end() const { return end_; }
  void set_sink_token(TokenId token) { config_.sink_token = token; }

 private:
  ModelConfig config_;
  TokenizerSource tokenizer_;
  GenerationDefaults generation_;
  const std::string chat_template_;
  const std::string none_;
  const std::string path_ = "planted.gguf";
  TokenId end_ = kNoToken;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SERVER_TEXT_CHECKPOINT_H_
