#include "model/eval/recall.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace perennial {
namespace {

constexpr std::array<const char*, 40> kAdjectives = {
    "amber",  "ancient", "brave",  "bright", "calm",   "clever", "cold",   "crimson", "dusty",  "early",
    "empty",  "faded",   "gentle", "golden", "green",  "hidden", "hollow", "honest",  "icy",    "jolly",
    "lonely", "loud",    "merry",  "misty",  "narrow", "noble",  "pale",   "patient", "proud",  "quiet",
    "rapid",  "rusty",   "silent", "silver", "steady", "stormy", "tall",   "tender",  "velvet", "wild"};
constexpr std::array<const char*, 40> kNouns = {
    "anchor",  "badger",  "barrel", "beacon", "bridge", "candle", "castle",   "cedar",  "comet",   "cottage",
    "dolphin", "eagle",   "engine", "falcon", "forest", "garden", "hammer",   "harbor", "island",  "kettle",
    "ladder",  "lantern", "lion",   "marble", "meadow", "mirror", "mountain", "needle", "orchard", "otter",
    "palace",  "pepper",  "piano",  "pigeon", "rabbit", "ribbon", "river",    "saddle", "temple",  "willow"};

// SplitMix64: a fixed sequence everywhere, unlike the standard library's distributions.
uint64_t NextRandom(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Sums over questions.
struct Score {
  int64_t questions = 0, exact = 0, in_window = 0, answer_tokens = 0, tokens_back = 0;
  double nats = 0.0;

  void Add(const Prediction& prediction, bool visible, int64_t distance) {
    ++questions;
    exact += prediction.exact ? 1 : 0;
    in_window += visible ? 1 : 0;
    answer_tokens += static_cast<int64_t>(prediction.losses.size());
    tokens_back += distance;
    for (const double loss : prediction.losses) nats += loss;
  }

  ReportRow Row() const {
    const auto share = [](double sum, int64_t count) {
      return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
    };
    return {{"questions", questions},
            {"in_window", share(static_cast<double>(in_window), questions)},
            {"tokens_back", share(static_cast<double>(tokens_back), questions)},
            {"accuracy", share(static_cast<double>(exact), questions)},
            {"nats", share(nats, answer_tokens)}};
  }
};

struct TokenizedLine {
  std::vector<TokenId> text, prompt, answer;
};

absl::StatusOr<std::vector<TokenizedLine>> Tokenize(const EncodeFunction& encode, const RecallOptions& options) {
  std::vector<TokenizedLine> tokenized;
  for (const RecallLine& line : RecallLines(options.lines, options.seed)) {
    auto text = encode(line.text), prompt = encode(line.prompt), answer = encode(line.answer);
    for (const auto* part : {&text, &prompt, &answer}) {
      if (!part->ok()) return part->status();
    }
    tokenized.push_back({*std::move(text), *std::move(prompt), *std::move(answer)});
    const size_t budget = static_cast<size_t>(options.shape.note_tokens);
    if (options.with_notes && tokenized.back().text.size() > budget) {
      return absl::InvalidArgumentError(
          absl::StrCat("note_tokens is ", budget, "; a line has ", tokenized.back().text.size(), " tokens"));
    }
  }
  return tokenized;
}

absl::Status CheckOptions(const RecallOptions& options) {
  if (options.lines < 1)
    return absl::InvalidArgumentError(absl::StrCat("lines is ", options.lines, "; it must be >= 1"));
  if (options.question_every < 1) {
    return absl::InvalidArgumentError(absl::StrCat("question_every is ", options.question_every, "; it must be >= 1"));
  }
  if (options.distances.empty()) return absl::InvalidArgumentError("distances is empty; it must name at least one");
  for (const int64_t distance : options.distances) {
    if (distance >= 0 && distance < options.lines) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("distances has ", distance, "; it must be 0 … ", options.lines - 1, " (below lines)"));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<RecallLine> RecallLines(int64_t count, uint64_t seed) {
  constexpr uint64_t kNames = kAdjectives.size() * kNouns.size();
  constexpr uint64_t kStride = 647;  // shares no factor with kNames: all names come once before one comes again
  uint64_t state = seed;
  const uint64_t first = NextRandom(state) % kNames;
  std::vector<RecallLine> lines;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t name_index = (first + static_cast<uint64_t>(i) * kStride) % kNames;
    const std::string name =
        absl::StrCat(kAdjectives[name_index % kAdjectives.size()], " ", kNouns[name_index / kAdjectives.size()]);
    const std::string begin = absl::StrCat("The code of the ", name, " is");
    const std::string answer = absl::StrFormat(" %05d", NextRandom(state) % 100'000);
    lines.push_back({absl::StrCat(begin, answer, ".\n"),
                     absl::StrCat("Question: What is the code of the ", name, "?\nAnswer: ", begin), answer});
  }
  return lines;
}

absl::StatusOr<Report> RunRecall(const EvalSubject& subject, const EncodeFunction& encode,
                                 const RecallOptions& options) {
  absl::Status status = CheckOptions(options);
  if (!status.ok()) return status;
  auto lines = Tokenize(encode, options);
  if (!lines.ok()) return lines.status();
  auto stream = EvalStream::Create(subject, options.shape, {.policy = options.eviction});
  if (!stream.ok()) return stream.status();
  status = stream->Feed(options.begin);

  const int64_t longest = *std::max_element(options.distances.begin(), options.distances.end());
  std::vector<int64_t> begins;           // of the lines, in tokens
  std::map<int64_t, Score> by_distance;  // by lines back
  std::array<Score, 2> by_visibility;    // outside, inside
  for (int64_t newest = 0; status.ok() && newest < options.lines; ++newest) {
    begins.push_back(stream->num_tokens());
    stream->BeginTurn();
    status = stream->Feed((*lines)[static_cast<size_t>(newest)].text);
    subject.Report(options.with_notes ? "lines, with notes" : "lines", newest + 1, options.lines);
    if (newest < longest || newest % options.question_every != 0) continue;
    for (const int64_t distance : options.distances) {
      const size_t about = static_cast<size_t>(newest - distance);
      const TokenizedLine& line = (*lines)[about];
      auto asked = stream->Fork();
      if (!asked.ok()) return asked.status();
      if (options.with_notes) status = asked->SetNotes(line.text);
      if (!status.ok()) return status;
      asked->BeginTurn();
      auto prediction = asked->Predict(line.prompt, line.answer);
      if (!prediction.ok()) return prediction.status();
      const int64_t begin = begins[about];
      const int64_t end = begin + static_cast<int64_t>(line.text.size());
      const bool visible = begin >= asked->horizon() || end <= options.shape.sink_tokens;
      const int64_t tokens_back = stream->num_tokens() - begin;
      by_distance[distance].Add(*prediction, visible, tokens_back);
      by_visibility[visible ? 1 : 0].Add(*prediction, visible, tokens_back);
    }
  }
  if (!status.ok()) return status;

  Report report;
  report.facts = {{"lines", options.lines},
                  {"tokens", stream->num_tokens()},
                  {"sink_tokens", int64_t{options.shape.sink_tokens}},
                  {"note_tokens", int64_t{options.shape.note_tokens}},
                  {"cache_tokens", int64_t{options.shape.capacity()}}};
  ReportTable& distances = report.AddTable("distances");
  for (const auto& [distance, score] : by_distance) {
    distances.rows.push_back({{"with_notes", options.with_notes}, {"lines_back", distance}});
    const ReportRow row = score.Row();
    distances.rows.back().insert(distances.rows.back().end(), row.begin(), row.end());
  }
  ReportTable& windows = report.AddTable("windows");
  for (const bool inside : {true, false}) {
    windows.rows.push_back({{"with_notes", options.with_notes}, {"inside_window", inside}});
    const ReportRow row = by_visibility[inside ? 1 : 0].Row();
    windows.rows.back().insert(windows.rows.back().end(), row.begin(), row.end());
  }
  return report;
}

}  // namespace perennial
