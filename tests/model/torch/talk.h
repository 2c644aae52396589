// A session with a real model, in steps by hand: for tests of what a model still knows.

#ifndef PERENNIAL_TESTS_MODEL_TORCH_TALK_H_
#define PERENNIAL_TESTS_MODEL_TORCH_TALK_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "model/checkpoint/checkpoint.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "model/text/chat_template.h"
#include "model/text/tokenizer.h"
#include "tests/model/torch/default_model.h"

namespace perennial {

// The default model in float32 with its tokenizer and template: what talks are held with.
struct TalkModel {
  // Sinks for the whole default opening, `note_tokens`, and a window that makes the cache `cache_tokens` large.
  CacheShape Shape(int32_t cache_tokens, int32_t note_tokens) const {
    const auto sinks = static_cast<int32_t>(chat_template->Opening({})->head_tokens);
    return {.sink_tokens = sinks, .note_tokens = note_tokens, .window_tokens = cache_tokens - note_tokens - sinks};
  }

  // In this order: a template reads its tokenizer.
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<ModelRunner> runner;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ChatTemplate> chat_template;
};

// Failures are failures of the test; then chat_template is nullptr.
inline TalkModel OpenTalkModel() {
  TalkModel model;
  model.checkpoint = OpenDefaultModel();
  if (model.checkpoint == nullptr) return model;
  model.runner = MakeDefaultModelRunner(*model.checkpoint, "float32");
  if (model.runner == nullptr) return model;
  auto tokenizer = Tokenizer::Create(model.checkpoint->tokenizer(), model.checkpoint->chat_template());
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.status();
    return model;
  }
  model.tokenizer = *std::move(tokenizer);
  auto chat_template = ChatTemplate::Create(ChatTemplateOptions::Of(*model.checkpoint), model.tokenizer.get());
  if (chat_template.ok()) {
    model.chat_template = *std::move(chat_template);
  } else {
    ADD_FAILURE() << chat_template.status();
  }
  return model;
}

// The model must be whole and outlive the talk. Failing steps are failures of the test.
class Talk {
 public:
  Talk(const TalkModel& model, const CacheShape& shape, EvictionPolicy policy)
      : runner_(*model.runner),
        template_(*model.chat_template),
        tokenizer_(*model.tokenizer),
        window_(shape, policy),
        cache_(*runner_.NewCache(shape)) {}

  // The same session, from here on apart.
  Talk Fork() const { return Talk(*this, *runner_.Clone(*cache_)); }

  void Open() { Feed(template_.Opening({})->tokens, LogitRows::kNone); }

  void SetNotes(const std::string& text) {
    const std::vector<TokenId> tokens = *template_.Notes(text);
    const StepInput input = {
        .cache = cache_.get(), .part = Part::kNotes, .tokens = tokens, .window_begin = {}, .rows = LogitRows::kNone};
    ASSERT_TRUE(runner_.Step({input}, output_).ok());
  }

  void Exchange(const std::string& question, const std::string& answer) {
    window_.BeginTurn();
    Feed(template_.Turn(question)->tokens, LogitRows::kNone);
    Feed(*tokenizer_.EncodeText(answer), LogitRows::kNone);
    Feed(template_.reply_end(), LogitRows::kNone);
  }

  // Nats per token of `answer` after `question` and the reply's beginning.
  double NatsOfAnswer(const std::string& question, const std::string& reply_begin, const std::string& answer) {
    window_.BeginTurn();
    Feed(template_.Turn(question)->tokens, LogitRows::kNone);
    std::vector<TokenId> tokens = *tokenizer_.EncodeText(reply_begin);
    const size_t begin = tokens.size();
    const std::vector<TokenId> answer_tokens = *tokenizer_.EncodeText(answer);
    tokens.insert(tokens.end(), answer_tokens.begin(), answer_tokens.end());
    Feed(tokens, LogitRows::kAll);
    double nats = 0;
    for (size_t i = begin; i < tokens.size(); ++i) {
      nats -= LogProbabilities(output_.Row(0, i - 1))[static_cast<size_t>(tokens[i])];
    }
    return nats / static_cast<double>(answer_tokens.size());
  }

  int64_t horizon() const { return window_.horizon(); }
  int64_t num_tokens() const { return window_.num_tokens(); }

 private:
  Talk(const Talk& other, std::unique_ptr<KvCache> cache)
      : runner_(other.runner_),
        template_(other.template_),
        tokenizer_(other.tokenizer_),
        window_(other.window_),
        cache_(std::move(cache)) {}

  // In chunks that the runner takes; the last one's logits stay in output_.
  void Feed(const std::vector<TokenId>& tokens, LogitRows rows) {
    const size_t most = static_cast<size_t>(runner_.limits().max_tokens_per_step);
    for (size_t first = 0; first < tokens.size(); first += most) {
      const absl::Span<const TokenId> chunk = absl::MakeConstSpan(tokens).subspan(first, most);
      const std::vector<int64_t> window_begin = window_.Advance(static_cast<int64_t>(chunk.size()));
      const StepInput input = {.cache = cache_.get(), .tokens = chunk, .window_begin = window_begin, .rows = rows};
      const absl::Status status = runner_.Step({input}, output_);
      ASSERT_TRUE(status.ok()) << status;
    }
  }

  ModelRunner& runner_;
  const ChatTemplate& template_;
  const Tokenizer& tokenizer_;
  SinkWindow window_;
  std::unique_ptr<KvCache> cache_;
  StepOutput output_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_TORCH_TALK_H_
