#include "model/text/turn_format.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
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
  const Messages question_and_answer = {User(kQuestion), Assistant(kAnswer)};
  absl::StatusOr<std::string> asked = rendering_.Render(question, Ending::kBeforeReply, learnt_at_);
  if (!asked.ok()) return asked.status();
  absl::StatusOr<std::string> answered = rendering_.Render(question_and_answer, Ending::kAfterLastMessage, learnt_at_);
  if (!answered.ok()) return answered.status();
  if (!absl::StrContains(*asked, kQuestion)) return NotAppendOnly("it leaves out a user's message");
  absl::string_view reply = *answered;
  if (!absl::ConsumePrefix(&reply, *asked)) {
    return NotAppendOnly("it writes a reply differently from the header that the model answers to");
  }
  const size_t begin = reply.find(kAnswer);
  if (begin == absl::string_view::npos) return NotAppendOnly("it leaves out an assistant's message");
  reply_lead_ = std::string(reply.substr(0, begin));
  if (!absl::StripAsciiWhitespace(reply_lead_).empty()) {
    return NotAppendOnly(absl::StrCat("it puts \"", reply_lead_, "\" before a reply only after it was given"));
  }
  reply_end_ = std::string(reply.substr(begin + kAnswer.size()));
  answered_ = *std::move(answered);
  return absl::OkStatus();
}

absl::Status TurnFormat::ProveAnswerAppends(const Messages& asked) const {
  absl::StatusOr<std::string> before = rendering_.Render(asked, Ending::kBeforeReply, learnt_at_);
  if (!before.ok()) return before.status();
  for (const std::string& probe : Probes()) {
    Messages answered = asked;
    answered.push_back(Assistant(probe));
    absl::StatusOr<std::string> after = rendering_.Render(answered, Ending::kAfterLastMessage, learnt_at_);
    if (!after.ok()) return after.status();
    if (*after != absl::StrCat(*before, reply_lead_, probe, reply_end_)) {
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
    absl::StatusOr<std::string> answered = rendering_.Render(history, Ending::kAfterLastMessage, learnt_at_);
    if (!answered.ok()) return answered.status();
    absl::StrAppend(&so_far, reply_lead_, probe, reply_end_);
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
  if (absl::Status status = ProveAnswerAppends(asked); !status.ok()) return status;
  Messages history = asked;
  history.push_back(Assistant(kAnswer));
  absl::StatusOr<std::string> answered = rendering_.Render(history, Ending::kAfterLastMessage, learnt_at_);
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
  absl::StatusOr<std::string> rendered = rendering_.Render(all, Ending::kAfterLastMessage, learnt_at_);
  if (!rendered.ok()) return rendered.status();
  absl::string_view continuation = *rendered;
  if (!absl::ConsumePrefix(&continuation, answered_)) {
    return NotAppendOnly("a later message changes what was written before it");
  }
  if (!absl::ConsumeSuffix(&continuation, reply_end_)) return NotAppendOnly("it ends a reply differently");
  return std::string(continuation);
}

absl::StatusOr<std::string> TurnFormat::History(absl::Span<const TemplateMessage> messages, absl::Time now) const {
  if (!messages.empty() && messages.front().role == "system" && !system_support_.ok()) return system_support_;
  return rendering_.Render(messages, Ending::kAfterLastMessage, now);
}

}  // namespace perennial::text_internal
