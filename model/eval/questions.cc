#include "model/eval/questions.h"

#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/eval/perplexity.h"

namespace perennial {
namespace {

// What became of each question, in order.
struct Asked {
  std::vector<Prediction> predictions;
  std::vector<bool> overflowed;  // something had been evicted when the question was asked
};

absl::StatusOr<Asked> Ask(const EvalSubject& subject, absl::Span<const Question> questions,
                          const QuestionOptions& options, int32_t sink_tokens, bool one_shot) {
  auto shape = EvalCacheShape({.sink_tokens = sink_tokens, .cache_tokens = options.cache_tokens}, 0);
  if (!shape.ok()) return shape.status();
  auto stream = EvalStream::Create(subject, *shape, {.policy = options.eviction});
  if (!stream.ok()) return stream.status();
  Asked asked;
  for (size_t i = 0; i < questions.size(); ++i) {
    const bool first = one_shot || i == 0;
    absl::Status status = one_shot ? stream->Restart() : absl::OkStatus();
    if (status.ok() && first) status = stream->Feed(options.opening);
    if (!status.ok()) return status;
    stream->BeginTurn();
    asked.overflowed.push_back(stream->horizon() > shape->sink_tokens);
    auto prediction = stream->Predict(first ? questions[i].turn_if_first : questions[i].turn, questions[i].answer);
    if (!prediction.ok()) return prediction.status();
    asked.predictions.push_back(*std::move(prediction));
    // Predict leaves the answer's last token for us.
    std::vector<TokenId> rest = {questions[i].answer.back()};
    rest.insert(rest.end(), options.reply_end.begin(), options.reply_end.end());
    status = stream->Feed(rest);
    if (!status.ok()) return status;
    subject.Report(one_shot ? "one by one" : absl::StrCat("endless, ", sink_tokens, " sinks"),
                   static_cast<int64_t>(i) + 1, static_cast<int64_t>(questions.size()));
  }
  return asked;
}

// Sums over the questions of `asked` that `counted` has (all if empty).
std::pair<double, double> AccuracyAndNats(const Asked& asked, const std::vector<bool>& counted) {
  double exact = 0, questions = 0, nats = 0, tokens = 0;
  for (size_t i = 0; i < asked.predictions.size(); ++i) {
    if (!counted.empty() && !counted[i]) continue;
    ++questions;
    exact += asked.predictions[i].exact ? 1 : 0;
    for (const double loss : asked.predictions[i].losses) nats += loss;
    tokens += static_cast<double>(asked.predictions[i].losses.size());
  }
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  return questions > 0 ? std::pair(exact / questions, nats / tokens) : std::pair(kNone, kNone);
}

absl::Status CheckQuestions(absl::Span<const Question> questions) {
  if (questions.empty()) return absl::InvalidArgumentError("there is no question");
  for (size_t i = 0; i < questions.size(); ++i) {
    if (!questions[i].answer.empty() && !questions[i].turn.empty() && !questions[i].turn_if_first.empty()) continue;
    return absl::InvalidArgumentError(absl::StrCat("question ", i + 1, " has no tokens in its turn or its answer"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<QuestionText>> ParseQuestions(absl::string_view json_lines) {
  std::vector<QuestionText> questions;
  int64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(json_lines, '\n')) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto text = [&](const char* name) {
      return json.is_object() && json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : "";
    };
    questions.push_back({text("question"), text("answer")});
    if (questions.back().question.empty() || questions.back().answer.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": must be a JSON object with the texts \"question\" and \"answer\""));
    }
  }
  return questions;
}

absl::StatusOr<Report> RunQuestions(const EvalSubject& subject, absl::Span<const Question> questions,
                                    const QuestionOptions& options) {
  absl::Status status = CheckQuestions(questions);
  if (!status.ok()) return status;
  const auto one_shot = Ask(subject, questions, options, options.sink_tokens, /*one_shot=*/true);
  if (!one_shot.ok()) return one_shot.status();
  const auto endless = Ask(subject, questions, options, options.sink_tokens, /*one_shot=*/false);
  if (!endless.ok()) return endless.status();
  const auto window = Ask(subject, questions, options, 0, /*one_shot=*/false);
  if (!window.ok()) return window.status();

  Report report;
  report.facts = {{"sink_tokens", int64_t{options.sink_tokens}}, {"cache_tokens", int64_t{options.cache_tokens}}};
  ReportTable& table = report.AddTable("ways");
  const std::pair<const char*, const Asked*> ways[] = {
      {"one_shot", &*one_shot}, {"endless", &*endless}, {"endless_window", &*window}};
  for (const auto& [name, asked] : ways) {
    const auto [accuracy, nats] = AccuracyAndNats(*asked, {});
    const auto [accuracy_overflowed, nats_overflowed] = AccuracyAndNats(*asked, endless->overflowed);
    table.rows.push_back({{"way", std::string(name)},
                          {"questions", static_cast<int64_t>(questions.size())},
                          {"accuracy", accuracy},
                          {"nats", nats},
                          {"accuracy_overflowed", accuracy_overflowed},
                          {"nats_overflowed", nats_overflowed}});
  }
  return report;
}

}  // namespace perennial
