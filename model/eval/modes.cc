#include "model/eval/modes.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/eval/decode_time.h"
#include "model/eval/length.h"
#include "model/eval/perplexity.h"
#include "model/eval/questions.h"
#include "model/eval/recall.h"
#include "model/eval/shape_table.h"
#include "model/eval/text_tokens.h"

using TextList = std::vector<std::string>;

// Of every mode.
ABSL_FLAG(std::string, model, "", "The model: a GGUF file or a Hugging Face directory.");
ABSL_FLAG(std::string, dtype, "float32", "float32, bfloat16, auto, or float16 on CUDA.");
ABSL_FLAG(std::string, device, "cpu", "cpu, cuda or cuda:N.");
ABSL_FLAG(int32_t, threads, 0, "CPU threads; 0: all processors.");
ABSL_FLAG(int32_t, chunk_tokens, 128, "Tokens per step; changes speed and memory, not results.");
ABSL_FLAG(bool, bos, false, "Put the model's BOS token before the text.");
ABSL_FLAG(bool, allow_untrained_length, false, "Accept a cache larger than the model was trained for.");

// Of several.
ABSL_FLAG(TextList, text, {}, "The text: UTF-8 files, or directories of .txt files, by commas; one after the other.");
ABSL_FLAG(int64_t, tokens, 4000, "How many of the text's first tokens to use; 0: all.");
ABSL_FLAG(
    std::optional<int32_t>, sink_tokens, std::nullopt,
    "Sinks: first tokens that are never evicted. Default: 4, or 1 for a model that was trained with a sink token.");
ABSL_FLAG(int32_t, cache_tokens, 1024, "Size of the cache in tokens, sinks included.");
ABSL_FLAG(
    std::string, eviction, "token_wise",
    "What is evicted. token_wise: the oldest token. turn_wise: the window begins at the start of a turn where that "
    "keeps half of it.");
ABSL_FLAG(int64_t, block_tokens, 0, "Tokens of a block, for which one perplexity is given; 0: a fiftieth of the text.");
ABSL_FLAG(TextList, sink_counts, (TextList{"0", "1", "2", "4", "8"}), "Numbers of sinks, by commas.");
ABSL_FLAG(TextList, cache_sizes, (TextList{"256", "512", "1024", "2048", "4096"}), "Cache sizes in tokens, by commas.");
ABSL_FLAG(int32_t, timed_tokens, 0,
          "Tokens decoded one by one with each cache, after the text, for the time; 0: none.");
ABSL_FLAG(int64_t, decoded_tokens, 50, "Tokens decoded one by one, for the time.");

// Of one.
ABSL_FLAG(
    TextList, attention, (TextList{"sinks"}),
    "What a token sees; several by commas are compared. sinks: the sinks and the newest tokens. window: the newest "
    "tokens alone. dense: everything before it. recompute: the newest tokens, computed anew for every token (slow; "
    "the paper's baseline). newlines: newlines in the sinks' place, before the text and what it begins with (BOS, the "
    "sink token of a model that was trained with one).");
ABSL_FLAG(int64_t, turn_tokens, 256, "Tokens of a turn (--eviction=turn_wise).");
ABSL_FLAG(int64_t, recompute_every, 1,
          "Of the tokens past the cache, recompute every so many only: each costs a pass.");
ABSL_FLAG(int64_t, score_every, 1, "Of the stream's chunks, score every so many; 1: all.");
ABSL_FLAG(int64_t, compare_every, 10, "Of the blocks, predict every so many from an empty cache too; 0: none.");
ABSL_FLAG(TextList, time_at, (TextList{"10000", "100000", "1000000", "4000000"}),
          "Places in the stream; the --decoded_tokens before each are decoded one by one.");
ABSL_FLAG(int32_t, recomputed_tokens, 5, "Tokens timed with re-computation, for each cache.");
ABSL_FLAG(TextList, recompute_chunks, (TextList{"512", "4096"}),
          "Tokens of a step of re-computation, by commas: each is tried, the fastest counts. At most --chunk_tokens.");
ABSL_FLAG(double, tolerance, 0.01, "How much worse than the best perplexity is as good; 0.01: one per cent.");
ABSL_FLAG(int64_t, lines, 200, "Lines of the stream.");
ABSL_FLAG(int64_t, question_every, 10, "Lines between questions.");
ABSL_FLAG(TextList, distances, (TextList{"5", "10", "20", "40", "60", "80", "100"}),
          "How many lines back the questions go, by commas.");
ABSL_FLAG(int32_t, note_tokens, 48, "Room for notes in the cache of the run that has them; 0: no such run.");
ABSL_FLAG(uint64_t, seed, 1, "Chooses the lines' names and numbers.");
ABSL_FLAG(std::string, questions, "", "JSON Lines with the texts \"question\" and \"answer\".");

namespace perennial {
namespace {

template <typename Integer>
absl::StatusOr<std::vector<Integer>> Integers(const char* flag, const TextList& words) {
  std::vector<Integer> values;
  for (const std::string& word : words) {
    Integer value = 0;
    if (!absl::SimpleAtoi(word, &value)) {
      return absl::InvalidArgumentError(absl::StrCat(flag, " has \"", word, "\"; it must be whole numbers by commas"));
    }
    values.push_back(value);
  }
  return values;
}

int64_t LargestCache(absl::Span<const CacheShape> shapes) {
  int32_t largest = 0;
  for (const CacheShape& shape : shapes) largest = std::max(largest, shape.capacity());
  return largest;
}

// --sink_tokens, or what suits the model, which is opened for that.
absl::StatusOr<int32_t> SinkTokens(EvalModel& model) {
  if (const std::optional<int32_t> given = absl::GetFlag(FLAGS_sink_tokens); given.has_value()) return *given;
  absl::Status status = model.Open();
  if (!status.ok()) return status;
  return model.DefaultSinks();
}

// Opens the model, reads the text, and loads with memory for a cache of `cache_tokens`, or of all the text if `dense`.
absl::StatusOr<std::vector<TokenId>> Prepare(EvalModel& model, int64_t cache_tokens, bool dense = false) {
  absl::Status status = model.Open();
  if (!status.ok()) return status;
  auto tokens = model.TextTokens(absl::GetFlag(FLAGS_text), absl::GetFlag(FLAGS_tokens));
  if (!tokens.ok()) return tokens.status();
  status = model.Load(dense ? std::max(cache_tokens, static_cast<int64_t>(tokens->size())) : cache_tokens);
  if (!status.ok()) return status;
  return tokens;
}

absl::StatusOr<Report> PerplexityMode(EvalModel& model) {
  auto policy = ParseEvictionPolicy(absl::GetFlag(FLAGS_eviction));
  if (!policy.ok()) return policy.status();
  std::vector<PerplexityOptions> runs;
  bool dense = false;
  for (const std::string& word : absl::GetFlag(FLAGS_attention)) {
    auto attention = ParseEvalAttention(word);
    if (!attention.ok()) return attention.status();
    dense = dense || *attention == EvalAttention::kDense;
    runs.push_back({.attention = *attention,
                    .cache_tokens = absl::GetFlag(FLAGS_cache_tokens),
                    .recompute_every = absl::GetFlag(FLAGS_recompute_every)});
    if (*policy == EvictionPolicy::kTurnWise) runs.back().eviction = {*policy, absl::GetFlag(FLAGS_turn_tokens)};
  }
  auto sinks = SinkTokens(model);
  if (!sinks.ok()) return sinks.status();
  for (PerplexityOptions& run : runs) {
    run.sink_tokens = *sinks;
    auto shape = EvalCacheShape(run, std::numeric_limits<int32_t>::max());
    if (!shape.ok()) return shape.status();
  }
  auto tokens = Prepare(model, absl::GetFlag(FLAGS_cache_tokens), dense);
  if (!tokens.ok()) return tokens.status();
  for (PerplexityOptions& run : runs) run.newline = model.Newline();
  return RunPerplexity(model.Subject(), *tokens, runs, absl::GetFlag(FLAGS_block_tokens));
}

absl::StatusOr<std::vector<CacheShape>> ShapesFromFlags(const TextList& sink_counts, const TextList& cache_sizes) {
  auto sinks = Integers<int32_t>("sink_counts", sink_counts);
  if (!sinks.ok()) return sinks.status();
  auto sizes = Integers<int32_t>("cache_sizes", cache_sizes);
  if (!sizes.ok()) return sizes.status();
  return EvalShapes(*sinks, *sizes);
}

absl::StatusOr<Report> Shapes(EvalModel& model, const TextList& sink_counts, const TextList& cache_sizes) {
  auto shapes = ShapesFromFlags(sink_counts, cache_sizes);
  if (!shapes.ok()) return shapes.status();
  auto tokens = Prepare(model, LargestCache(*shapes));
  if (!tokens.ok()) return tokens.status();
  return RunShapes(model.Subject(), *tokens, *shapes, absl::GetFlag(FLAGS_timed_tokens));
}

absl::StatusOr<Report> SinksMode(EvalModel& model) {
  return Shapes(model, absl::GetFlag(FLAGS_sink_counts), {absl::StrCat(absl::GetFlag(FLAGS_cache_tokens))});
}

absl::StatusOr<Report> CacheSizeMode(EvalModel& model) {
  auto sinks = SinkTokens(model);
  if (!sinks.ok()) return sinks.status();
  return Shapes(model, {absl::StrCat(*sinks)}, absl::GetFlag(FLAGS_cache_sizes));
}

absl::StatusOr<Report> AdviseMode(EvalModel& model) {
  auto shapes = ShapesFromFlags(absl::GetFlag(FLAGS_sink_counts), absl::GetFlag(FLAGS_cache_sizes));
  if (!shapes.ok()) return shapes.status();
  auto tokens = Prepare(model, LargestCache(*shapes));
  if (!tokens.ok()) return tokens.status();
  return RunAdvise(model.Subject(), *tokens, *shapes, absl::GetFlag(FLAGS_timed_tokens),
                   absl::GetFlag(FLAGS_tolerance));
}

absl::StatusOr<CacheShape> ShapeFromFlags(EvalModel& model) {
  auto sinks = SinkTokens(model);
  if (!sinks.ok()) return sinks.status();
  return EvalCacheShape({.sink_tokens = *sinks, .cache_tokens = absl::GetFlag(FLAGS_cache_tokens)}, 0);
}

absl::StatusOr<Report> LengthMode(EvalModel& model) {
  auto time_at = Integers<int64_t>("time_at", absl::GetFlag(FLAGS_time_at));
  if (!time_at.ok()) return time_at.status();
  auto shape = ShapeFromFlags(model);
  if (!shape.ok()) return shape.status();
  const LengthOptions options = {.shape = *shape,
                                 .block_tokens = absl::GetFlag(FLAGS_block_tokens),
                                 .score_every = absl::GetFlag(FLAGS_score_every),
                                 .compare_every = absl::GetFlag(FLAGS_compare_every),
                                 .time_at = *std::move(time_at),
                                 .decoded_tokens = absl::GetFlag(FLAGS_decoded_tokens)};
  auto tokens = Prepare(model, 2 * (int64_t{shape->capacity()} + 64));  // one for the block from an empty cache
  if (!tokens.ok()) return tokens.status();
  return RunLength(model.Subject(), *tokens, options);
}

absl::StatusOr<Report> SpeedMode(EvalModel& model) {
  auto sizes = Integers<int32_t>("cache_sizes", absl::GetFlag(FLAGS_cache_sizes));
  if (!sizes.ok()) return sizes.status();
  auto chunks = Integers<int32_t>("recompute_chunks", absl::GetFlag(FLAGS_recompute_chunks));
  if (!chunks.ok()) return chunks.status();
  auto sinks = SinkTokens(model);
  if (!sinks.ok()) return sinks.status();
  SpeedOptions options = {.cache_tokens = *std::move(sizes),
                          .sink_tokens = *sinks,
                          .decoded_tokens = static_cast<int32_t>(absl::GetFlag(FLAGS_decoded_tokens)),
                          .recomputed_tokens = absl::GetFlag(FLAGS_recomputed_tokens),
                          .recompute_chunks = *std::move(chunks)};
  auto shapes = EvalShapes({options.sink_tokens}, options.cache_tokens);
  if (!shapes.ok()) return shapes.status();
  auto tokens = Prepare(model, LargestCache(*shapes));
  if (!tokens.ok()) return tokens.status();
  return RunSpeed(model.Subject(), *tokens, options);
}

absl::StatusOr<Report> RecallMode(EvalModel& model) {
  auto policy = ParseEvictionPolicy(absl::GetFlag(FLAGS_eviction));
  if (!policy.ok()) return policy.status();
  auto distances = Integers<int64_t>("distances", absl::GetFlag(FLAGS_distances));
  if (!distances.ok()) return distances.status();
  auto shape = ShapeFromFlags(model);
  if (!shape.ok()) return shape.status();
  const int32_t notes = absl::GetFlag(FLAGS_note_tokens);
  if (notes < 0 || notes >= shape->window_tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("note_tokens is ", notes, "; it must be 0 … ", shape->window_tokens - 1));
  }
  absl::Status status = model.Open();
  if (!status.ok()) return status;
  auto begin = model.TextBegin();
  if (!begin.ok()) return begin.status();
  status = model.Load(shape->capacity(), /*num_caches=*/2);
  if (!status.ok()) return status;
  RecallOptions options = {.shape = *shape,
                           .eviction = *policy,
                           .lines = absl::GetFlag(FLAGS_lines),
                           .question_every = absl::GetFlag(FLAGS_question_every),
                           .distances = *std::move(distances),
                           .begin = *std::move(begin),
                           .seed = absl::GetFlag(FLAGS_seed)};
  auto report = RunRecall(model.Subject(), model.encode(), options);
  if (!report.ok() || notes == 0) return report;
  options.with_notes = true;
  options.shape.note_tokens = notes;
  options.shape.window_tokens -= notes;
  auto noted = RunRecall(model.Subject(), model.encode(), options);
  if (!noted.ok()) return noted;
  for (size_t i = 0; i < report->tables.size(); ++i) {
    std::vector<ReportRow>& rows = report->tables[i].rows;
    rows.insert(rows.end(), noted->tables[i].rows.begin(), noted->tables[i].rows.end());
  }
  return report;
}

absl::StatusOr<Report> QaMode(EvalModel& model) {
  auto policy = ParseEvictionPolicy(absl::GetFlag(FLAGS_eviction));
  if (!policy.ok()) return policy.status();
  auto shape = ShapeFromFlags(model);
  if (!shape.ok()) return shape.status();
  absl::Status status = model.Open();
  if (!status.ok()) return status;
  auto file = ReadTextFile(absl::GetFlag(FLAGS_questions));
  if (!file.ok()) return file.status();
  auto questions = ParseQuestions(*file);
  if (!questions.ok()) return questions.status();
  auto session = model.Session(*questions);
  if (!session.ok()) return session.status();
  status = model.Load(shape->capacity());
  if (!status.ok()) return status;
  return RunQuestions(model.Subject(), session->questions,
                      {.opening = session->opening,
                       .reply_end = session->reply_end,
                       .cache_tokens = absl::GetFlag(FLAGS_cache_tokens),
                       .sink_tokens = shape->sink_tokens,
                       .eviction = *policy});
}

constexpr std::array<absl::string_view, 7> kCommonFlags = {
    "model", "device", "dtype", "threads", "chunk_tokens", "bos", "allow_untrained_length"};

}  // namespace

absl::Span<const EvalMode> EvalModes() {
  static const auto* const modes = new std::vector<EvalMode>{
      {"perplexity",
       "how well a text is predicted: dense, window, sinks, re-computation (Figure 3)",
       "Predicts every token of the text after the first. Lower is better; perplexity_second_half is where the cache "
       "has\n"
       "overflowed, perplexity_compared is over the tokens that all runs predicted with their caches full.\n\n"
       "Example: what are four sinks worth?\n"
       "  perennial-eval perplexity --model=model.gguf --text=book.txt --tokens=4000 --cache_tokens=512 \\\n"
       "      --attention=window,sinks",
       {"text", "tokens", "attention", "sink_tokens", "cache_tokens", "eviction", "turn_tokens", "recompute_every",
        "block_tokens"},
       {},
       &PerplexityMode},
      {"sinks",
       "how many sinks it takes (Table 2)",
       "The same text with several numbers of sinks, in caches of one size.",
       {"text", "tokens", "sink_counts", "cache_tokens", "timed_tokens"},
       {},
       &SinksMode},
      {"cache-size",
       "what a larger cache gains (Table 6)",
       "The same text with caches of several sizes, and the time of a decoded token with --timed_tokens.",
       {"text", "tokens", "sink_tokens", "cache_sizes", "timed_tokens"},
       {{"tokens", "8000"}},
       &CacheSizeMode},
      {"advise",
       "which cache to use for this model and this text",
       "Measures every number of sinks with every cache size and recommends the smallest cache that is as good as the\n"
       "best. Give it text of the kind that the model will read, at least twice as long as the largest cache.",
       {"text", "tokens", "sink_counts", "cache_sizes", "timed_tokens", "tolerance"},
       {{"tokens", "4000"}, {"sink_counts", "0,1,4"}, {"cache_sizes", "256,512,1024,2048"}, {"timed_tokens", "20"}},
       &AdviseMode},
      {"length",
       "whether an endless stream stays as good, as fast and as small (Figures 5 and 10)",
       "One stream over the whole text: perplexity of each block, also from an empty cache; time of tokens decoded at\n"
       "given places; memory.",
       {"text", "tokens", "sink_tokens", "cache_tokens", "block_tokens", "score_every", "compare_every", "time_at",
        "decoded_tokens"},
       {{"tokens", "0"}, {"block_tokens", "100000"}, {"decoded_tokens", "1000"}, {"chunk_tokens", "512"}},
       &LengthMode},
      {"speed",
       "a decoded token against a sliding window with re-computation (Figure 10)",
       "The text only fills the caches. Re-computation is tried in several chunks; the fastest one counts.",
       {"text", "tokens", "sink_tokens", "cache_sizes", "decoded_tokens", "recomputed_tokens", "recompute_chunks"},
       {{"tokens", "4200"}, {"chunk_tokens", "4096"}},
       &SpeedMode},
      {"recall",
       "what is still known of lines some way back (StreamEval, Table 7)",
       "A stream of lines that each give a name a number; questions about lines some way back, with and without a "
       "note\n"
       "that holds the line. Needs no text.",
       {"sink_tokens", "cache_tokens", "eviction", "note_tokens", "lines", "question_every", "distances", "seed"},
       {},
       &RecallMode},
      {"qa",
       "questions in one endless conversation against each on its own (Table 5)",
       "Needs a model with a chat template. The known answers are fed, so that all ways see the same conversation.",
       {"questions", "sink_tokens", "cache_tokens", "eviction"},
       {},
       &QaMode},
  };
  return *modes;
}

const EvalMode* FindEvalMode(absl::string_view name) {
  for (const EvalMode& mode : EvalModes()) {
    if (mode.name == name) return &mode;
  }
  return nullptr;
}

absl::Span<const absl::string_view> CommonEvalFlags() { return kCommonFlags; }

absl::Status CheckInputs(const EvalMode& mode) {
  const auto reads = [&mode](absl::string_view name) {
    return std::find(mode.flags.begin(), mode.flags.end(), name) != mode.flags.end();
  };
  if (absl::GetFlag(FLAGS_model).empty()) return absl::InvalidArgumentError("--model is missing");
  if (reads("text") && absl::GetFlag(FLAGS_text).empty()) return absl::InvalidArgumentError("--text is missing");
  if (reads("questions") && absl::GetFlag(FLAGS_questions).empty()) {
    return absl::InvalidArgumentError("--questions is missing");
  }
  return absl::OkStatus();
}

EvalModelOptions EvalModelOptionsFromFlags() {
  EvalModelOptions options;
  options.path = absl::GetFlag(FLAGS_model);
  options.torch.device = absl::GetFlag(FLAGS_device);
  options.torch.dtype = absl::GetFlag(FLAGS_dtype);
  options.torch.num_threads = absl::GetFlag(FLAGS_threads);
  options.torch.allow_untrained_length = absl::GetFlag(FLAGS_allow_untrained_length);
  options.chunk_tokens = absl::GetFlag(FLAGS_chunk_tokens);
  options.bos = absl::GetFlag(FLAGS_bos);
  return options;
}

}  // namespace perennial
