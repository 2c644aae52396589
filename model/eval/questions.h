// Questions with known answers, asked in one endless conversation, and each on its own. Paper: Table 5, where sinks
// keep an endless conversation as good as single questions and a window alone does not. Prompts are a chat template's.

#ifndef PERENNIAL_MODEL_EVAL_QUESTIONS_H_
#define PERENNIAL_MODEL_EVAL_QUESTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/eval/eval_stream.h"
#include "model/eval/report.h"
#include "model/sink_window.h"
#include "model/token.h"

namespace perennial {

struct QuestionText {
  std::string question;
  std::string answer;
};

// From JSON Lines: an object a line with the strings "question" and "answer", both not empty; other members are not
// read. INVALID_ARGUMENT naming the line.
absl::StatusOr<std::vector<QuestionText>> ParseQuestions(absl::string_view json_lines);

// One question as the chat template writes it.
struct Question {
  std::vector<TokenId> turn_if_first;  // the user's turn, first after the opening …
  std::vector<TokenId> turn;           // … and later
  std::vector<TokenId> answer;
};

struct QuestionOptions {
  std::vector<TokenId> opening;    // what a session starts with
  std::vector<TokenId> reply_end;  // what closes a reply
  int32_t cache_tokens = 1024;
  int32_t sink_tokens = 4;
  EvictionPolicy eviction = EvictionPolicy::kTokenWise;  // turn-wise: each question is a turn
};

// The known answers are fed, whatever the model would have said: all ways see the same conversation. Ways: "one_shot"
// (an empty session for each question), "endless" (sinks and window), "endless_window" (no sinks). Table "ways":
// questions, accuracy (exact match: greedy decoding gives the answer), nats (mean per answer token), and the same over
// the questions that came after the cache had overflowed (accuracy_overflowed, nats_overflowed; NaN: none did; for
// one_shot the same questions).
//
// INVALID_ARGUMENT naming the option, or if there is no question; else the runner's errors.
absl::StatusOr<Report> RunQuestions(const EvalSubject& subject, absl::Span<const Question> questions,
                                    const QuestionOptions& options);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_QUESTIONS_H_
