// What a chat template writes for an opening, a turn and a reply's end, as text: learnt from renderings of a constant
// stand-in history, after probes have shown that the template only ever appends. Private to model/text.

#ifndef PERENNIAL_MODEL_TEXT_TURN_FORMAT_H_
#define PERENNIAL_MODEL_TEXT_TURN_FORMAT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/text/template_rendering.h"

namespace perennial::text_internal {

// INVALID_ARGUMENT: the template is refused, because of `why` (what it does); says what to choose in its place.
absl::Status NotAppendOnly(absl::string_view why);

// Immutable after Learn; thread-safe. All message texts given to it are defused already.
class TurnFormat {
 public:
  // The stand-in history: one question, one answer. Any template keeps them as they are.
  static constexpr absl::string_view kQuestion = "How are you today?";
  static constexpr absl::string_view kAnswer = "Quite well, thank you.";

  // INVALID_ARGUMENT, saying which probe failed and what to do, unless the template is append-only. `now` is the date
  // in all stand-in renderings.
  static absl::StatusOr<TurnFormat> Learn(TemplateRendering rendering, absl::Time now);

  // The turn of `user` in any but the first place. INVALID_ARGUMENT where the template raises.
  absl::StatusOr<std::string> Turn(const std::string& user) const;

  // A first turn with all that stands before it: the whole rendering.
  absl::StatusOr<std::string> FirstTurn(const std::string& user, const std::optional<std::string>& system,
                                        absl::Time now) const;

  // What stands before a first turn. REQUIRES: !first_turn_differs().
  absl::StatusOr<std::string> Opening(const std::optional<std::string>& system, absl::Time now) const;

  // Messages in any but the first place: user and assistant in turn, the last one an assistant's, without reply_end().
  absl::StatusOr<std::string> Continuation(absl::Span<const TemplateMessage> messages) const;

  // A whole history that ends with an assistant's message, as it stands once the next message has come.
  absl::StatusOr<std::string> History(absl::Span<const TemplateMessage> messages, absl::Time now) const;

  // What follows a reply's text, and what the template puts before the text of a given one ("" or " ", mostly; or an
  // empty
  // "<think></think>", in place of what the model thought).
  const std::string& reply_end() const { return reply_end_; }
  const std::string& reply_lead() const { return reply_lead_; }

  // Question and answer, as they stand once the next message has come: what Turn's text is appended to.
  const std::string& answered() const { return answered_; }

  // Not OK: why this template takes no system message.
  const absl::Status& system_support() const { return system_support_; }

  // True if a first turn is not an opening followed by a turn like any other; see FirstTurnSplit.
  bool first_turn_differs() const { return first_turn_differs_; }

 private:
  TurnFormat(TemplateRendering rendering, absl::Time now);

  absl::Status LearnReplyEnd();
  // From what stands before a reply to come and before a given one.
  absl::Status LearnReplyBegin(absl::string_view asked, absl::string_view before_answer);
  // How much of `after_answer` is the reply's end, given what closes a conversation there and the rendering of its
  // first turn, whose question is asked again; none if they do not fit together.
  std::optional<size_t> EndOfReply(absl::string_view closing, absl::string_view after_answer,
                                   absl::string_view asked) const;
  absl::Status ProveAppendOnly() const;
  absl::Status ProveSystemAppendOnly();
  // True if the template puts the system message into the newest user message, whichever that is.
  absl::StatusOr<bool> SystemMoves() const;
  absl::Status LearnFirstTurn();
  // The probe (system message or none, question) and its answer: the reply must stand between header and end.
  absl::Status ProveAnswerAppends(const std::vector<TemplateMessage>& asked) const;
  // Messages that end with an assistant's, as they stand once the next message has come. NotAppendOnly if it does not
  // follow them as kQuestion's turn.
  absl::StatusOr<std::string> RenderAnswered(std::vector<TemplateMessage> messages, absl::Time now) const;
  // The rendering `asked`, which ends before a reply, with that reply given.
  std::string WithAnswer(absl::string_view asked, absl::string_view answer) const;

  TemplateRendering rendering_;
  absl::Time learnt_at_;
  std::string answered_;
  std::string header_tail_;  // ends the header of a reply to come, and is gone once it was given: "<think>\n"
  std::string reply_lead_;
  std::string reply_end_;
  absl::Status system_support_;
  bool system_moves_ = false;
  bool first_turn_differs_ = false;
};

}  // namespace perennial::text_internal

#endif  // PERENNIAL_MODEL_TEXT_TURN_FORMAT_H_
