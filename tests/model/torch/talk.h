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
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "model/text/chat_template.h"
#include "model/text/tokenizer.h"
#include "tests/model/torch/default_model.h"

namespace perennial {

// Everything given to it must outlive it. Failing steps are failures of the test.
class Talk {
 public:
  Talk(ModelRunner& runner, const ChatTemplate& chat_template, const Tokenizer& tokenizer, const CacheShape& shape,
       EvictionPolicy policy)
      : runner_(runner),
        template_(chat_template),
        tokenizer_(tokenizer),
        window_(shape, policy),
        cache_(*runner.NewCache(shape)) {}

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
