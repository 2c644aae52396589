#include "model/eval/eval_model.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/text/chat_template.h"

namespace perennial {
namespace {

// Memory for one cache of so many tokens in the widest number type, in whole blocks.
int64_t CacheMemory(const ModelConfig& config, int64_t cache_tokens) {
  constexpr int64_t kRoundUp = 64;
  const int64_t slot_bytes = int64_t{2} * config.num_layers * config.num_kv_heads * config.head_size * 4;
  return (cache_tokens + kRoundUp) * slot_bytes;
}

}  // namespace

absl::Status EvalModel::Open() {
  if (tokenizer_ != nullptr) return absl::OkStatus();
  auto checkpoint = Checkpoint::Open(options_.path);
  if (!checkpoint.ok()) return checkpoint.status();
  checkpoint_ = *std::move(checkpoint);
  auto tokenizer = Tokenizer::Create(checkpoint_->tokenizer(), checkpoint_->chat_template());
  if (!tokenizer.ok()) return tokenizer.status();
  tokenizer_ = *std::move(tokenizer);
  return absl::OkStatus();
}

EncodeFunction EvalModel::encode() const {
  return [this](absl::string_view text) { return tokenizer_->EncodeText(text); };
}

absl::StatusOr<std::vector<TokenId>> EvalModel::TextBegin() const {
  const ModelConfig& config = checkpoint_->config();
  if (options_.bos && !config.bos_token.has_value()) {
    return absl::InvalidArgumentError("--bos: the model has no BOS token");
  }
  std::vector<TokenId> begin;
  if (config.sink_token.has_value()) begin.push_back(*config.sink_token);  // the model was trained with it
  if (options_.bos && config.bos_token != config.sink_token) begin.push_back(*config.bos_token);
  return begin;
}

absl::StatusOr<std::vector<TokenId>> EvalModel::TextTokens(const std::vector<std::string>& files,
                                                           int64_t num_tokens) const {
  auto begin = TextBegin();
  if (!begin.ok()) return begin.status();
  const int64_t num_begin = static_cast<int64_t>(begin->size());
  if (num_tokens > 0 && num_tokens <= num_begin)
    return absl::InvalidArgumentError("--tokens: too few for what the model puts before a text");
  auto text = FirstTokens(files, num_tokens > 0 ? num_tokens - num_begin : num_tokens, encode());
  if (!text.ok()) return text.status();
  begin->insert(begin->end(), text->begin(), text->end());
  return begin;
}

std::optional<TokenId> EvalModel::Newline() const {
  const auto tokens = tokenizer_->EncodeText("\n");
  if (!tokens.ok() || tokens->empty()) return std::nullopt;
  // SentencePiece writes a space before a text; a newline's own token is the last one then.
  return tokens->size() == 1 || tokenizer_->adds_leading_space() ? std::optional(tokens->back()) : std::nullopt;
}

absl::StatusOr<QuestionSession> EvalModel::Session(const std::vector<QuestionText>& questions) const {
  if (checkpoint_->chat_template().empty()) {
    return absl::FailedPreconditionError(absl::StrCat(options_.path, ": the model has no chat template"));
  }
  auto chat_template = ChatTemplate::Create(ChatTemplateOptions::Of(*checkpoint_), tokenizer_.get());
  if (!chat_template.ok()) return chat_template.status();
  auto opening = (*chat_template)->Opening({});
  if (!opening.ok()) return opening.status();
  QuestionSession session = {opening->tokens, (*chat_template)->reply_end(), {}};
  for (const QuestionText& text : questions) {
    auto turn = (*chat_template)->Turn(text.question);
    if (!turn.ok()) return turn.status();
    auto answer = tokenizer_->EncodeText(text.answer);
    if (!answer.ok()) return answer.status();
    session.questions.push_back({FirstTurnTokens(*turn, opening->first_turn), turn->tokens, *std::move(answer)});
  }
  return session;
}

absl::Status EvalModel::Load(int64_t cache_tokens, int32_t num_caches) {
  if (options_.chunk_tokens < 1) {
    return absl::InvalidArgumentError(absl::StrCat("chunk_tokens is ", options_.chunk_tokens, "; it must be >= 1"));
  }
  TorchOptions torch = options_.torch;
  torch.cache_memory_bytes = num_caches * CacheMemory(checkpoint_->config(), cache_tokens);
  torch.max_tokens_per_step = options_.chunk_tokens;
  auto runner = CreateTorchModelRunner(*checkpoint_, torch);
  if (!runner.ok()) return runner.status();
  runner_ = *std::move(runner);
  std::fprintf(stderr, "%s\n", runner_->Description().c_str());
  return absl::OkStatus();
}

EvalSubject EvalModel::Subject() const {
  const int32_t threads = options_.torch.num_threads;
  EvalSubject subject = {
      .runner = runner_.get(),
      .chunk_tokens = options_.chunk_tokens,
      .loss_threads = threads > 0 ? threads : std::max(1, static_cast<int32_t>(std::thread::hardware_concurrency())),
      .sink_token = checkpoint_->config().sink_token,
      .progress = options_.progress};
  if (absl::StartsWith(options_.torch.device, "cuda")) {
    subject.device_bytes = [device = options_.torch.device] { return DeviceBytesInUse(device); };
  }
  return subject;
}

}  // namespace perennial
