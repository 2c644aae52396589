// What a note is worth: a fact that has left the window, asked for with and without a note that holds it.

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "model/text/chat_template.h"
#include "model/text/tokenizer.h"
#include "tests/model/torch/default_model.h"
#include "tests/model/torch/talk.h"

namespace perennial {
namespace {

constexpr char kFact[] = "My dog is called Bartholomew and he is eleven years old.";
constexpr char kQuestion[] = "What is my dog called?";
constexpr char kAnswerBegin[] = "Your dog is called";
constexpr char kAnswer[] = " Bartholomew";

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
  Talk talk(*runner, **chat_template, **tokenizer, shape, EvictionPolicy::kTurnWise);
  talk.Open();
  talk.Exchange(kFact, "What a lovely name!");
  const double nats_in_window = talk.Fork().NatsOfAnswer(kQuestion, kAnswerBegin, kAnswer);
  const int64_t end_of_fact = talk.num_tokens();
  for (size_t piece = 0; piece < 4; ++piece) talk.Exchange("Go on reading.", book.substr(800 * piece, 800));
  ASSERT_GT(talk.horizon(), end_of_fact) << "the fact has left the window";
  Talk noted = talk.Fork();
  noted.SetNotes(kFact);
  const double nats_without = talk.NatsOfAnswer(kQuestion, kAnswerBegin, kAnswer);
  const double nats_with = noted.NatsOfAnswer(kQuestion, kAnswerBegin, kAnswer);
  std::cout << "nats per answer token: " << nats_in_window << " in the window, " << nats_without
            << " when it has left it, " << nats_with << " with a note" << std::endl;
  EXPECT_GT(nats_without, 3.0);
  EXPECT_LT(nats_with, 0.5);
}

}  // namespace
}  // namespace perennial
