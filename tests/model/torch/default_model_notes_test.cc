// What a note is worth: a fact that has left the window, asked for with and without a note that holds it.

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "model/text/chat_template.h"
#include "model/text/tokenizer.h"
#include "tests/model/torch/default_model.h"

namespace perennial {
namespace {

constexpr char kFact[] = "My dog is called Bartholomew and he is eleven years old.";
constexpr char kQuestion[] = "What is my dog called?";
constexpr char kAnswerBegin[] = "Your dog is called";
constexpr char kAnswer[] = " Bartholomew";

// A session with the default model, in steps.
class Talk {
 public:
  Talk(ModelRunner& runner, const ChatTemplate& chat_template, const Tokenizer& tokenizer, const CacheShape& shape)
      : runner_(runner),
        template_(chat_template),
        tokenizer_(tokenizer),
        window_(shape, EvictionPolicy::kTurnWise),
        cache_(*runner.NewCache(shape)) {}

  void Open() { Feed(template_.Opening({})->tokens); }

  void SetNotes(const std::string& text) {
    const std::vector<TokenId> tokens = *template_.Notes(text);
    const StepInput input = {
        .cache = cache_.get(), .part = Part::kNotes, .tokens = tokens, .window_begin = {}, .rows = LogitRows::kNone};
    ASSERT_TRUE(runner_.Step({input}, output_).ok());
  }

  void Exchange(const std::string& question, const std::string& answer) {
    window_.BeginTurn();
    Feed(template_.Turn(question)->tokens);
    Feed(*tokenizer_.EncodeText(answer));
    Feed(template_.reply_end());
  }

  // Nats per token of kAnswer after the question and kAnswerBegin.
  double NatsOfAnswer() {
    window_.BeginTurn();
    Feed(template_.Turn(kQuestion)->tokens);
    std::vector<TokenId> tokens = *tokenizer_.EncodeText(kAnswerBegin);
    const size_t begin = tokens.size();
    const std::vector<TokenId> answer = *tokenizer_.EncodeText(kAnswer);
    tokens.insert(tokens.end(), answer.begin(), answer.end());
    Feed(tokens);
    double nats = 0;
    for (size_t i = begin; i < tokens.size(); ++i) {
      nats -= LogProbabilities(output_.Row(0, i - 1))[static_cast<size_t>(tokens[i])];
    }
    return nats / static_cast<double>(answer.size());
  }

  int64_t horizon() const { return window_.horizon(); }
  int64_t num_tokens() const { return window_.num_tokens(); }

 private:
  // In chunks that the runner takes; the last one's logits stay in output_.
  void Feed(const std::vector<TokenId>& tokens) {
    const size_t most = static_cast<size_t>(runner_.limits().max_tokens_per_step);
    for (size_t first = 0; first < tokens.size(); first += most) {
      const absl::Span<const TokenId> chunk = absl::MakeConstSpan(tokens).subspan(first, most);
      const std::vector<int64_t> window_begin = window_.Advance(static_cast<int64_t>(chunk.size()));
      const StepInput input = {
          .cache = cache_.get(), .tokens = chunk, .window_begin = window_begin, .rows = LogitRows::kAll};
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

TEST(DefaultModelNotesTest, AFactThatHasLeftTheWindowIsKnownFromANote) {
  const std::unique_ptr<Checkpoint> checkpoint = OpenDefaultModel();
  ASSERT_NE(checkpoint, nullptr);
  const std::unique_ptr<ModelRunner> runner = MakeDefaultModelRunner(*checkpoint, "float32");
  ASSERT_NE(runner, nullptr);
  const auto tokenizer = Tokenizer::Create(checkpoint->tokenizer(), checkpoint->chat_template());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ChatTemplateOptions options;
  options.source = checkpoint->chat_template();
  const auto chat_template = ChatTemplate::Create(options, tokenizer->get());
  ASSERT_TRUE(chat_template.ok()) << chat_template.status();
  std::ifstream file(PERENNIAL_SOURCE_DIR "/tests/golden/war_and_peace_opening.txt");
  const std::string book((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_GT(book.size(), 6000u);

  const auto sinks = static_cast<int32_t>((*chat_template)->Opening({})->head_tokens);
  const CacheShape shape = {.sink_tokens = sinks, .note_tokens = 64, .window_tokens = 512 - 64 - sinks};
  std::vector<double> nats;
  for (const bool with_note : {false, true}) {
    Talk talk(*runner, **chat_template, **tokenizer, shape);
    talk.Open();
    talk.Exchange(kFact, "What a lovely name!");
    const int64_t end_of_fact = talk.num_tokens();
    if (with_note) talk.SetNotes(kFact);
    for (size_t piece = 0; piece < 6; ++piece) {
      talk.Exchange("Go on reading to me.", book.substr(1000 * piece, 1000));
    }
    EXPECT_GT(talk.horizon(), end_of_fact) << "the fact has left the window";
    nats.push_back(talk.NatsOfAnswer());
  }
  RecordProperty("nats_without", std::to_string(nats[0]));
  RecordProperty("nats_with", std::to_string(nats[1]));
  std::cout << "nats per answer token: " << nats[0] << " without a note, " << nats[1] << " with one" << std::endl;
  EXPECT_GT(nats[0], 3.0);
  EXPECT_LT(nats[1], 0.5);
}

}  // namespace
}  // namespace perennial
