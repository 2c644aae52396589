#include "model/eval/questions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/model/eval/eval_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

constexpr TokenId kOpening = 200;

// A model that counts on from a question, as long as it sees the opening.
FakeOptions NeedsItsOpening() {
  FakeOptions options;
  options.script = [](const FakeSight& sight) {
    return sight.visible.front().token == kOpening ? sight.visible.back().token + 1 : kNoToken;
  };
  return options;
}

QuestionOptions Options() {
  return {.opening = {kOpening, 201}, .reply_end = {100}, .cache_tokens = 16, .sink_tokens = 2};
}

std::vector<Question> Questions(size_t count) {
  return std::vector<Question>(count, {.turn_if_first = {103, 7}, .turn = {102, 103, 7}, .answer = {8, 9}});
}

TEST(QuestionsTest, SinksKeepAnEndlessConversationAsGoodAsSingleQuestions) {
  FakeModelRunner runner{NeedsItsOpening()};
  const EvalSubject subject = SubjectOf(runner);
  const Report report = ValueOf(RunQuestions(subject, Questions(20), Options()));
  ASSERT_EQ(report.Table("ways").rows.size(), 3u);
  for (const size_t good : {0, 1}) {  // one_shot, endless
    EXPECT_EQ(report.Number("ways", good, "questions"), 20);
    EXPECT_EQ(report.Number("ways", good, "accuracy"), 1);
    EXPECT_EQ(report.Number("ways", good, "accuracy_overflowed"), 1);
    EXPECT_LT(report.Number("ways", good, "nats"), 0.01);
  }
  EXPECT_LT(report.Number("ways", 2, "accuracy"), 0.5);  // endless_window: right until the opening is gone
  EXPECT_GT(report.Number("ways", 2, "accuracy"), 0);
  EXPECT_EQ(report.Number("ways", 2, "accuracy_overflowed"), 0);
  EXPECT_GT(report.Number("ways", 2, "nats_overflowed"), 1);
}

TEST(QuestionsTest, TheConversationIsFedWhole) {
  std::vector<TokenId> fed;
  FakeOptions options;
  options.before_step = [&](absl::Span<const StepInput> batch) {
    fed.insert(fed.end(), batch[0].tokens.begin(), batch[0].tokens.end());
  };
  FakeModelRunner runner{options};
  const EvalSubject subject = SubjectOf(runner);
  const Report report = ValueOf(RunQuestions(subject, Questions(2), Options()));
  const std::vector<TokenId> one = {200, 201, 103, 7, 8, 9, 100};
  const std::vector<TokenId> endless = {200, 201, 103, 7, 8, 9, 100, 102, 103, 7, 8, 9, 100};
  std::vector<TokenId> expected;
  for (const auto* part : {&one, &one, &endless, &endless}) expected.insert(expected.end(), part->begin(), part->end());
  EXPECT_EQ(fed, expected);
  EXPECT_TRUE(std::isnan(report.Number("ways", 1, "nats_overflowed")));
}

TEST(QuestionsTest, ReadsJsonLines) {
  const auto questions =
      ValueOf(ParseQuestions("{\"question\": \"Name a colour.\", \"answer\": \"Blue\"}\n\n{\"answer\": \"4\", "
                             "\"question\": \"2+2?\", \"x\": 1}\n"));
  ASSERT_EQ(questions.size(), 2u);
  EXPECT_EQ(questions[0].question, "Name a colour.");
  EXPECT_EQ(questions[1].answer, "4");
  for (const char* bad : {"{\"question\": \"a\"}", "[]", "{", "{\"question\": 1, \"answer\": \"a\"}"}) {
    EXPECT_THAT(MessageOf(ParseQuestions(std::string("\n") + bad)), HasSubstr("line 2:")) << bad;
  }
}

TEST(QuestionsTest, SaysWhatIsWrong) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner);
  EXPECT_THAT(MessageOf(RunQuestions(subject, {}, Options())), HasSubstr("there is no question"));
  std::vector<Question> questions = Questions(2);
  questions[1].answer.clear();
  EXPECT_THAT(MessageOf(RunQuestions(subject, questions, Options())), HasSubstr("question 2"));
  QuestionOptions options = Options();
  options.sink_tokens = 16;
  EXPECT_THAT(MessageOf(RunQuestions(subject, Questions(1), options)), HasSubstr("sink_tokens is 16"));
}

}  // namespace
}  // namespace perennial
