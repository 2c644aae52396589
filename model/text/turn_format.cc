#include "model/text/turn_format.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/text/chat_template.h"

namespace perennial::text_internal {
namespace {

using Messages = std::vector<TemplateMessage>;

TemplateMessage System(absl::string_view text) { return {"system", std::string(text)}; }
TemplateMessage User(absl::string_view text) { return {"user", std::string(text)}; }
TemplateMessage Assistant(absl::string_view text) { return {"assistant", std::string(text)}; }

constexpr absl::string_view kSystemProbe = "Answer briefly and politely.";

// Messages of different lengths and shapes; a template that treats messages by their place or text differs on some.
const std::vector<std::string>& Probes() {
  static const auto& probes = *new std::vector<std::string>{
      "Hi",
      "What is the capital of France?",
      "1 + 1 =",
      "First line\nsecond line\n\nlast line",
      "\xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x99\x82",  // Chinese and an emoji
      std::string(3000, 'a'),
  };
  return probes;
}

// White space and tags of reasoning ("<think>\n", "<think></think>"): what templates put before a reply that is to come
// and not before one that was given, or the other way round, because they leave out what a model thought.
bool IsReasoningMark(absl::string_view text) {
  while (!(text = absl::StripLeadingAsciiWhitespace(text)).empty()) {
    const size_t end = text.find('>');
    if (text.front() != '<' || end == absl::string_view::npos || !absl::StrContains(text.substr(0, end), "think")) {
      return false;
    }
    text.remove_prefix(end + 1);
  }
  return true;
}

// True if the byte at `at` is part of a tag that begins before it.
bool IsInsideTag(absl::string_view text, size_t at) {
  const size_t tag = text.substr(0, at).rfind('<');
  return tag != absl::string_view::npos && !absl::StrContains(text.substr(tag, at - tag), '>');
}

// How many bytes both begin with.
size_t CommonPrefix(absl::string_view a, absl::string_view b) {
  const size_t shorter = std::min(a.size(), b.size());
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + shorter, b.begin()).first - a.begin());
}

}  // namespace

absl::Status NotAppendOnly(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("the chat template cannot be used, since a cache only grows: ", why,
                                                 "; choose a built-in one with --chat_template=NAME (",
                                                 BuiltInChatTemplateNames(), ")"));
}

absl::StatusOr<TurnFormat> TurnFormat::Learn(TemplateRendering rendering, absl::Time now) {
  TurnFormat format(std::move(rendering), now);
  if (absl::Status status = format.LearnReplyEnd(); !status.ok()) return status;
  if (absl::Status status = format.ProveAppendOnly(); !status.ok()) return status;
  if (absl::Status status = format.ProveSystemAppendOnly(); !status.ok()) return status;
  if (absl::Status status = format.LearnFirstTurn(); !status.ok()) return status;
  return format;
}

TurnFormat::TurnFormat(TemplateRendering rendering, absl::Time now)
    : rendering_(std::move(rendering)), learnt_at_(now) {}

absl::Status TurnFormat::LearnReplyEnd() {
  const Messages question = {User(kQuestion)};
  const Messages answer = {User(kQuestion), Assistant(kAnswer)};
  const Messages next_question = {User(kQuestion), Assistant(kAnswer), User(kQuestion)};
  absl::StatusOr<std::string> asked = rendering_.Render(question, Ending::kBeforeReply, learnt_at_);
  if (!asked.ok()) return asked.status();
  absl::StatusOr<std::string> answered = rendering_.Render(answer, Ending::kAfterLastMessage, learnt_at_);
  if (!answered.ok()) return answered.status();
  absl::StatusOr<std::string> later = rendering_.Render(next_question, Ending::kBeforeReply, learnt_at_);
  if (!later.ok()) return later.status();
  if (!absl::StrContains(*asked, kQuestion)) return NotAppendOnly("it leaves out a user's message");
  const size_t begin = absl::string_view(*later).find(kAnswer);
  const size_t last_begin = absl::string_view(*answered).rfind(kAnswer);
  if (begin == absl::string_view::npos || last_begin == absl::string_view::npos) {
    return NotAppendOnly("it leaves out an assistant's message");
  }
  if (absl::Status status = LearnReplyBegin(*asked, later->substr(0, begin)); !status.ok()) return status;
  const absl::string_view closing = absl::string_view(*answered).substr(last_begin + kAnswer.size());
  const absl::string_view after_answer = absl::string_view(*later).substr(begin + kAnswer.size());
  const std::optional<size_t> end = EndOfReply(closing, after_answer, *asked);
  if (!end.has_value()) return NotAppendOnly("a later message changes what was written before it");
  reply_end_ = std::string(after_answer.substr(0, *end));
  answered_ = later->substr(0, begin + kAnswer.size() + *end);
  return absl::OkStatus();
}

std::optional<size_t> TurnFormat::EndOfReply(absl::string_view closing, absl::string_view after_answer,
                                             absl::string_view asked) const {
  if (absl::StartsWith(after_answer, closing)) return closing.size();
  // Phi-3.5 closes a whole conversation with another EOS, which is gone when the next message comes.
  absl::string_view without_eos = closing;
  if (!rendering_.eos_text().empty() && absl::ConsumeSuffix(&without_eos, rendering_.eos_text()) &&
      absl::StartsWith(after_answer, without_eos)) {
    return without_eos.size();
  }
  // Llama 3's first one always writes the next reply's header. What comes after the end then is the first turn again.
  const size_t most = CommonPrefix(closing, after_answer);
  size_t size = 0;
  while (size <= most && (IsInsideTag(after_answer, size) || !absl::EndsWith(asked, after_answer.substr(size)))) ++size;
  return size == 0 || size > most ? std::nullopt : std::optional(size);
}

absl::Status TurnFormat::LearnReplyBegin(absl::string_view asked, absl::string_view before_answer) {
  size_t common = CommonPrefix(asked, before_answer);
  if (common < asked.size() && common < before_answer.size() && IsInsideTag(asked, common)) {
    common = asked.rfind('<', common - 1);  // "<think>" and "</think>" begin alike
  }
  const absl::string_view tail = asked.substr(common);
  const absl::string_view lead = before_answer.substr(common);
  const bool is_reasoning = absl::StrContains(tail, "think") || absl::StrContains(lead, "think");
  if (!IsReasoningMark(tail) || (!tail.empty() && !is_reasoning)) {
    return NotAppendOnly("it writes a reply differently from the header that the model answers to");
  }
  if (!IsReasoningMark(lead)) {
    return NotAppendOnly(absl::StrCat("it puts \"", absl::CEscape(lead), "\" before a reply only after it was given"));
  }
  header_tail_ = std::string(tail);
  reply_lead_ = std::string(lead);
  return absl::OkStatus();
}

absl::StatusOr<std::string> TurnFormat::RenderAnswered(Messages messages, absl::Time now) const {
  messages.push_back(User(kQuestion));
  absl::StatusOr<std::string> text = rendering_.Render(messages, Ending::kBeforeReply, now);
  if (!text.ok()) return text;
  absl::StatusOr<std::string> turn = Turn(std::string(kQuestion));
  if (!turn.ok()) return turn;
  absl::string_view answered = *text;
  if (!absl::ConsumeSuffix(&answered, *turn)) {
    return NotAppendOnly("a reply changes what is written after it");
  }
  return std::string(answered);
}

std::string TurnFormat::WithAnswer(absl::string_view asked, absl::string_view answer) const {
  absl::ConsumeSuffix(&asked, header_tail_);
  return absl::StrCat(asked, reply_lead_, answer, reply_end_);
}

absl::Status TurnFormat::ProveAnswerAppends(const Messages& asked) const {
  absl::StatusOr<std::string> before = rendering_.Render(asked, Ending::kBeforeReply, learnt_at_);
  if (!before.ok()) return before.status();
  for (const std::string& probe : Probes()) {
    Messages answered = asked;
    answered.push_back(Assistant(probe));
    absl::StatusOr<std::string> after = RenderAnswered(std::move(answered), learnt_at_);
    if (!after.ok()) return after.status();
    if (*after != WithAnswer(*before, probe)) {
      return NotAppendOnly("a reply changes what was written before it, or its own end");
    }
  }
  return absl::OkStatus();
}

absl::Status TurnFormat::ProveAppendOnly() const {
  if (absl::Status status = ProveAnswerAppends({User(kQuestion)}); !status.ok()) return status;
  // A longer history must begin with the shorter one, and every turn in it must be the stand-in's.
  Messages history = {User(kQuestion), Assistant(kAnswer)};
  std::string so_far = answered_;
  for (const std::string& probe : Probes()) {
    absl::StatusOr<std::string> turn = Turn(probe);
    if (!turn.ok()) return turn.status();
    history.push_back(User(probe));
    absl::StatusOr<std::string> asked = rendering_.Render(history, Ending::kBeforeReply, learnt_at_);
    if (!asked.ok()) return asked.status();
    absl::StrAppend(&so_far, *turn);
    if (*asked != so_far) return NotAppendOnly("a message is written differently late in a session");
    history.push_back(Assistant(probe));
    absl::StatusOr<std::string> answered = RenderAnswered(history, learnt_at_);
    if (!answered.ok()) return answered.status();
    so_far = WithAnswer(so_far, probe);
    if (*answered != so_far) return NotAppendOnly("a reply is written differently late in a session");
  }
  return absl::OkStatus();
}

absl::Status TurnFormat::ProveSystemAppendOnly() {
  const Messages asked = {System(kSystemProbe), User(kQuestion)};
  absl::StatusOr<std::string> rendered = rendering_.Render(asked, Ending::kBeforeReply, learnt_at_);
  if (!rendered.ok() || !absl::StrContains(*rendered, kSystemProbe)) {
    system_support_ = absl::InvalidArgumentError(
        absl::StrCat("this model's chat template takes no system message",
                     rendered.ok() ? ": it leaves it out" : absl::StrCat(": ", rendered.status().message())));
    return absl::OkStatus();
  }
  absl::StatusOr<bool> moves = SystemMoves();
  if (!moves.ok()) return moves.status();
  system_moves_ = *moves;
  if (system_moves_) return absl::OkStatus();
  if (absl::Status status = ProveAnswerAppends(asked); !status.ok()) return status;
  Messages history = asked;
  history.push_back(Assistant(kAnswer));
  absl::StatusOr<std::string> answered = RenderAnswered(history, learnt_at_);
  if (!answered.ok()) return answered.status();
  for (const std::string& probe : Probes()) {
    history.push_back(User(probe));
    absl::StatusOr<std::string> later = rendering_.Render(history, Ending::kBeforeReply, learnt_at_);
    if (!later.ok()) return later.status();
    history.pop_back();
    absl::StatusOr<std::string> turn = Turn(probe);
    if (!turn.ok()) return turn.status();
    if (*later != absl::StrCat(*answered, *turn)) {
      return NotAppendOnly("it writes the system message again, or a turn differently, when there is one");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> TurnFormat::SystemMoves() const {
  const Messages first = {System(kSystemProbe), User(kQuestion)};
  const Messages later = {System(kSystemProbe), User(kQuestion), Assistant(kAnswer), User(kQuestion)};
  absl::StatusOr<std::string> first_text = rendering_.Render(first, Ending::kBeforeReply, learnt_at_);
  if (!first_text.ok()) return first_text.status();
  absl::StatusOr<std::string> later_text = rendering_.Render(later, Ending::kBeforeReply, learnt_at_);
  if (!later_text.ok()) return later_text.status();
  // What stands before the newest message is as without a system message, which stands in the newest one.
  absl::string_view newest = *later_text;
  return absl::ConsumePrefix(&newest, answered_) && absl::StrContains(newest, kSystemProbe) &&
         absl::EndsWith(*first_text, newest);
}

absl::Status TurnFormat::LearnFirstTurn() {
  std::vector<std::optional<std::string>> systems = {std::nullopt};
  if (system_support_.ok()) systems.push_back(std::string(kSystemProbe));
  for (const std::optional<std::string>& system : systems) {
    std::optional<std::string> opening;
    for (const std::string& probe : Probes()) {
      absl::StatusOr<std::string> first = FirstTurn(probe, system, learnt_at_);
      if (!first.ok()) return first.status();
      absl::StatusOr<std::string> turn = Turn(probe);
      if (!turn.ok()) return turn.status();
      absl::string_view head = *first;
      if (!absl::ConsumeSuffix(&head, *turn) || (opening.has_value() && *opening != head)) first_turn_differs_ = true;
      if (!opening.has_value()) opening = std::string(head);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TurnFormat::Turn(const std::string& user) const {
  const Messages messages = {User(kQuestion), Assistant(kAnswer), User(user)};
  absl::StatusOr<std::string> rendered = rendering_.Render(messages, Ending::kBeforeReply, learnt_at_);
  if (!rendered.ok()) return rendered.status();
  absl::string_view turn = *rendered;
  if (!absl::ConsumePrefix(&turn, answered_)) {
    return NotAppendOnly("a later message changes what was written before it");
  }
  return std::string(turn);
}

absl::StatusOr<std::string> TurnFormat::FirstTurn(const std::string& user, const std::optional<std::string>& system,
                                                  absl::Time now) const {
  Messages messages;
  if (system.has_value()) {
    if (!system_support_.ok()) return system_support_;
    messages.push_back(System(*system));
  }
  messages.push_back(User(user));
  return rendering_.Render(messages, Ending::kBeforeReply, now);
}

absl::StatusOr<std::string> TurnFormat::Opening(const std::optional<std::string>& system, absl::Time now) const {
  absl::StatusOr<std::string> first = FirstTurn(std::string(kQuestion), system, now);
  if (!first.ok()) return first.status();
  absl::StatusOr<std::string> turn = Turn(std::string(kQuestion));
  if (!turn.ok()) return turn.status();
  absl::string_view opening = *first;
  if (!absl::ConsumeSuffix(&opening, *turn)) {
    return absl::InvalidArgumentError("this system message makes the chat template write the first turn differently");
  }
  return std::string(opening);
}

absl::StatusOr<std::string> TurnFormat::Continuation(absl::Span<const TemplateMessage> messages) const {
  Messages all = {User(kQuestion), Assistant(kAnswer)};
  all.insert(all.end(), messages.begin(), messages.end());
  absl::StatusOr<std::string> rendered = RenderAnswered(std::move(all), learnt_at_);
  if (!rendered.ok()) return rendered.status();
  absl::string_view continuation = *rendered;
  if (!absl::ConsumePrefix(&continuation, answered_)) {
    return NotAppendOnly("a later message changes what was written before it");
  }
  if (!absl::ConsumeSuffix(&continuation, reply_end_)) return NotAppendOnly("it ends a reply differently");
  return std::string(continuation);
}

absl::StatusOr<std::string> TurnFormat::History(absl::Span<const TemplateMessage> messages, absl::Time now) const {
  const bool has_system = !messages.empty() && messages.front().role == "system";
  if (has_system && !system_support_.ok()) return system_support_;
  if (!has_system || !system_moves_) return RenderAnswered(Messages(messages.begin(), messages.end()), now);
  // The system message stays in the first user message.
  absl::StatusOr<std::string> with = FirstTurn(messages[1].content, messages[0].content, now);
  if (!with.ok()) return with;
  absl::StatusOr<std::string> without = FirstTurn(messages[1].content, std::nullopt, now);
  if (!without.ok()) return without;
  absl::StatusOr<std::string> history = RenderAnswered(Messages(messages.begin() + 1, messages.end()), now);
  if (!history.ok()) return history;
  absl::string_view rest = *history;
  absl::string_view head = *without;
  absl::ConsumeSuffix(&head, header_tail_);
  if (!absl::ConsumePrefix(&rest, head)) return NotAppendOnly("a later message changes what was written before it");
  absl::string_view first = *with;
  absl::ConsumeSuffix(&first, header_tail_);
  return absl::StrCat(first, rest);
}

}  // namespace perennial::text_internal
