// What a session still knows of what it was told: a stream of lines, each with a name and a number, and questions about
// lines some way back. Paper: StreamEval (Figure 9: every 10 lines a question about the line 20 before) and Table 7 (by
// distance). The text is plain, so that it needs no chat model:
//
//   "The code of the amber falcon is 48213.\n"                                       a line
//   "Question: What is the code of the amber falcon?\nAnswer: The code of the amber falcon is"   " 48213"
//
// A question is asked on a copy of the session, so that no question helps or harms another one. The paper's stream
// keeps them; its answers are then a little nearer.

#ifndef PERENNIAL_MODEL_EVAL_RECALL_H_
#define PERENNIAL_MODEL_EVAL_RECALL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/eval/eval_stream.h"
#include "model/eval/report.h"
#include "model/eval/text_tokens.h"
#include "model/sink_window.h"
#include "model/token.h"

namespace perennial {

// A line, and the question about it in two parts: the prompt, and the answer that should follow.
struct RecallLine {
  std::string text;
  std::string prompt;
  std::string answer;
};

// `count` lines, the same for the same seed; names do not repeat within 1,600 lines, nor do numbers follow from them.
std::vector<RecallLine> RecallLines(int64_t count, uint64_t seed);

struct RecallOptions {
  CacheShape shape;                                      // note_tokens: at least a line's tokens if `with_notes`
  EvictionPolicy eviction = EvictionPolicy::kTokenWise;  // turn-wise: each line is a turn
  int64_t lines = 200;
  int64_t question_every = 10;                                    // lines between questions
  std::vector<int64_t> distances = {5, 10, 20, 40, 60, 80, 100};  // lines back, from the newest one (0)
  bool with_notes = false;          // the line that is asked about is put into the notes before the question
  std::vector<TokenId> begin = {};  // the stream's first tokens, before the first line: BOS where a model wants it
  uint64_t seed = 1;
};

// Questions begin when the longest distance has been said. Table "distances": lines_back, tokens_back (mean),
// questions, in_window (the share whose line was wholly visible), accuracy (exact match: greedy decoding gives the
// answer), nats (mean per answer token). Table "windows": the same over all questions inside the window and outside.
//
// INVALID_ARGUMENT naming the option, or if a line does not fit the notes; else the runner's or `encode`'s errors.
absl::StatusOr<Report> RunRecall(const EvalSubject& subject, const EncodeFunction& encode,
                                 const RecallOptions& options);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_RECALL_H_
