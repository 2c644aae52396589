#include "model/eval/recall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/model/eval/eval_fixture.h"

namespace perennial {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A model of bytes that goes on as the text did after the same twenty bytes before: it knows what it can see.
FakeOptions CopiesWhatItSees() {
  FakeOptions options;
  options.script = [](const FakeSight& sight) {
    constexpr size_t kContext = 20;
    const auto& seen = sight.visible;
    const auto same = [](const FakeSight::Seen& a, const FakeSight::Seen& b) { return a.token == b.token; };
    if (seen.size() <= kContext) return kNoToken;
    const auto context = seen.end() - kContext;
    const auto found = std::search(seen.begin(), seen.end() - 1, context, seen.end(), same);
    return found >= seen.end() - 1 ? kNoToken : (found + kContext)->token;
  };
  return options;
}

RecallOptions Options() {
  return {.shape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 500},
          .lines = 40,
          .question_every = 5,
          .distances = {0, 3, 20, 30},
          .begin = {}};
}

TEST(RecallTest, LinesHaveNamesThatDoNotRepeat) {
  const std::vector<RecallLine> lines = RecallLines(1600, 7);
  std::set<std::string> prompts;
  for (const RecallLine& line : lines) {
    prompts.insert(line.prompt);
    EXPECT_THAT(line.text, StartsWith("The code of the "));
    EXPECT_THAT(line.text, EndsWith(line.answer + ".\n"));
    EXPECT_EQ(line.answer.size(), 6u);
    EXPECT_THAT(line.prompt, EndsWith(line.text.substr(0, line.text.size() - 8)));
  }
  EXPECT_EQ(prompts.size(), 1600u);
  EXPECT_EQ(RecallLines(3, 7)[2].text, lines[2].text);
  EXPECT_NE(RecallLines(3, 8)[2].text, lines[2].text);
}

TEST(RecallTest, KnowsWhatIsInTheWindowAndNothingElse) {
  FakeModelRunner runner{CopiesWhatItSees()};
  const EvalSubject subject = SubjectOf(runner);
  const Report report = ValueOf(RunRecall(subject, EncodeBytes, Options()));
  ASSERT_EQ(report.Table("distances").rows.size(), 4u);
  for (const size_t near : {0, 1}) {
    EXPECT_EQ(report.Number("distances", near, "accuracy"), 1);
    EXPECT_EQ(report.Number("distances", near, "in_window"), 1);
    EXPECT_LT(report.Number("distances", near, "nats"), 0.01);
  }
  for (const size_t far : {2, 3}) {
    EXPECT_EQ(report.Number("distances", far, "accuracy"), 0);
    EXPECT_EQ(report.Number("distances", far, "in_window"), 0);
    EXPECT_GT(report.Number("distances", far, "nats"), 1);
  }
  EXPECT_EQ(report.Number("distances", 3, "lines_back"), 30);
  EXPECT_EQ(report.Number("distances", 3, "questions"), 2);  // after lines 30 and 35
  EXPECT_GT(report.Number("distances", 3, "tokens_back"), 30 * 35);
  EXPECT_EQ(report.Number("windows", 0, "accuracy"), 1);
  EXPECT_EQ(report.Number("windows", 0, "questions"), 4);
  EXPECT_EQ(report.Number("windows", 1, "accuracy"), 0);
}

TEST(RecallTest, NotesKeepWhatHasLeftTheWindow) {
  FakeModelRunner runner{CopiesWhatItSees()};
  const EvalSubject subject = SubjectOf(runner);
  RecallOptions options = Options();
  options.with_notes = true;
  options.shape = {.sink_tokens = 4, .note_tokens = 60, .window_tokens = 440};
  const Report report = ValueOf(RunRecall(subject, EncodeBytes, options));
  for (size_t row = 0; row < 4; ++row) EXPECT_EQ(report.Number("distances", row, "accuracy"), 1) << row;
  EXPECT_EQ(report.Number("distances", 3, "in_window"), 0);
}

TEST(RecallTest, TurnWiseEvictsWholeLines) {
  FakeModelRunner runner{CopiesWhatItSees()};
  const EvalSubject subject = SubjectOf(runner);
  RecallOptions options = Options();
  options.eviction = EvictionPolicy::kTurnWise;
  const Report report = ValueOf(RunRecall(subject, EncodeBytes, options));
  EXPECT_EQ(report.Number("distances", 1, "accuracy"), 1);
  EXPECT_EQ(report.Number("distances", 2, "accuracy"), 0);
}

TEST(RecallTest, SaysWhatIsWrong) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner);
  const auto message = [&](auto change) {
    RecallOptions options = Options();
    change(options);
    return MessageOf(RunRecall(subject, EncodeBytes, options));
  };
  EXPECT_THAT(message([](RecallOptions& o) { o.lines = 0; }), HasSubstr("lines is 0"));
  EXPECT_THAT(message([](RecallOptions& o) { o.question_every = 0; }), HasSubstr("question_every is 0"));
  EXPECT_THAT(message([](RecallOptions& o) { o.distances = {}; }), HasSubstr("distances is empty"));
  EXPECT_THAT(message([](RecallOptions& o) { o.distances = {40}; }), HasSubstr("distances has 40"));
  EXPECT_THAT(message([](RecallOptions& o) {
                o.with_notes = true;
                o.shape.note_tokens = 9;
              }),
              HasSubstr("note_tokens is 9"));
}

}  // namespace
}  // namespace perennial
