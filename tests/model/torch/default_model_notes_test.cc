// What a note is worth: a fact that has left the window, asked for with and without a note that holds it.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "model/sink_window.h"
#include "tests/model/torch/talk.h"

namespace perennial {
namespace {

constexpr char kFact[] = "My dog is called Bartholomew and he is eleven years old.";
constexpr char kQuestion[] = "What is my dog called?";
constexpr char kAnswerBegin[] = "Your dog is called";
constexpr char kAnswer[] = " Bartholomew";

TEST(DefaultModelNotesTest, AFactThatHasLeftTheWindowIsKnownFromANote) {
  const TalkModel model = OpenTalkModel();
  ASSERT_NE(model.chat_template, nullptr);
  std::ifstream file(PERENNIAL_SOURCE_DIR "/tests/golden/war_and_peace_opening.txt");
  const std::string book((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_GT(book.size(), 6000u);

  Talk talk(model, model.Shape(/*cache_tokens=*/512, /*note_tokens=*/64), EvictionPolicy::kTurnWise);
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
