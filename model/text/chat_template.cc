#include "model/text/chat_template.h"

#include <utility>
#include <variant>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "model/text/first_turn_split.h"
#include "model/text/template_rendering.h"
#include "model/text/token_lists.h"
#include "model/text/turn_format.h"

namespace perennial {
namespace {

using text_internal::After;
using text_internal::BeginsWith;
using text_internal::CommonPrefix;
using text_internal::ControlsOf;
using text_internal::FirstTurnSplit;
using text_internal::TemplateMessage;
using text_internal::TemplateRendering;
using text_internal::TurnFormat;

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      return "assistant";
  }
  return "";
}

// OK if the history is a system message or none, then user and assistant messages in turn, the last an assistant's.
absl::Status CheckOrder(absl::string_view field, absl::Span<const Message> history) {
  size_t turn_begin = 0;
  for (size_t i = 0; i < history.size(); ++i) {
    if (i == 0 && history[i].role == Role::kSystem) {
      turn_begin = 1;
      continue;
    }
    const Role expected = (i - turn_begin) % 2 == 0 ? Role::kUser : Role::kAssistant;
    if (history[i].role == expected) continue;
    return absl::InvalidArgumentError(absl::StrCat(field, "[", i, "].role is ", RoleName(history[i].role), ", must be ",
                                                   RoleName(expected),
                                                   ": a system message first, then user and assistant in turn"));
  }
  if ((history.size() - turn_begin) % 2 != 0) {
    return absl::InvalidArgumentError(absl::StrCat(field, "[", history.size() - 1,
                                                   "] is a user message, the last must be the assistant's: send a "
                                                   "message that is to be answered as a turn"));
  }
  return absl::OkStatus();
}

}  // namespace

ChatTemplateOptions ChatTemplateOptions::Of(const Checkpoint& checkpoint) {
  ChatTemplateOptions options;
  options.source = checkpoint.chat_template();
  options.bos_text = checkpoint.bos_text();
  options.eos_text = checkpoint.eos_text();
  options.bos_token = checkpoint.config().bos_token;
  options.add_bos = std::visit([](const auto& tokenizer) { return tokenizer.add_bos; }, checkpoint.tokenizer());
  options.sink_token = checkpoint.config().sink_token;
  return options;
}

absl::StatusOr<std::unique_ptr<ChatTemplate>> ChatTemplate::Create(ChatTemplateOptions options,
                                                                   const Tokenizer* tokenizer) {
  absl::StatusOr<TemplateRendering> rendering =
      TemplateRendering::Create({options.source, options.bos_text, options.eos_text, options.fuel});
  if (!rendering.ok()) return rendering.status();
  if (!options.now) options.now = absl::Now;
  absl::StatusOr<TurnFormat> format = TurnFormat::Learn(*std::move(rendering), options.now());
  if (!format.ok()) return format.status();
  auto chat_template = absl::WrapUnique(
      new ChatTemplate(std::move(options), tokenizer, std::make_unique<const TurnFormat>(*std::move(format))));
  if (absl::Status status = chat_template->LearnReplyEnd(); !status.ok()) return status;
  if (absl::Status status = chat_template->LearnFirstTurn(); !status.ok()) return status;
  return chat_template;
}

ChatTemplate::ChatTemplate(ChatTemplateOptions options, const Tokenizer* tokenizer,
                           std::unique_ptr<const TurnFormat> format)
    : options_(std::move(options)), tokenizer_(tokenizer), format_(std::move(format)) {}

ChatTemplate::~ChatTemplate() = default;

absl::Status ChatTemplate::LearnReplyEnd() {
  const absl::string_view answered = format_->answered();
  absl::StatusOr<std::vector<TokenId>> whole = tokenizer_->EncodeRendered(answered);
  if (!whole.ok()) return whole.status();
  absl::StatusOr<std::vector<TokenId>> open =
      tokenizer_->EncodeRendered(answered.substr(0, answered.size() - format_->reply_end().size()));
  if (!open.ok()) return open.status();
  answered_tokens_ = *std::move(whole);
  if (BeginsWith(answered_tokens_, *open)) {
    reply_end_ = After(answered_tokens_, open->size());
    return absl::OkStatus();
  }
  // The end's first characters merge with the stand-in's last ones. They will not with a reply's, whose tokens are
  // final.
  absl::StatusOr<std::vector<TokenId>> alone = tokenizer_->EncodeRendered(format_->reply_end());
  if (!alone.ok()) return alone.status();
  reply_end_ = *std::move(alone);
  return absl::OkStatus();
}

absl::Status ChatTemplate::LearnFirstTurn() {
  const std::string question(TurnFormat::kQuestion);
  absl::StatusOr<std::string> turn_text = format_->Turn(question);
  if (!turn_text.ok()) return turn_text.status();
  absl::StatusOr<std::vector<TokenId>> turn = TurnTokens(*turn_text);
  if (!turn.ok()) return turn.status();
  turn_controls_ = ControlsOf(*tokenizer_, *turn);
  turns_begin_with_bos_ = BeginsWithBos(*turn);
  absl::StatusOr<std::string> first_text = format_->FirstTurn(question, std::nullopt, Now());
  if (!first_text.ok()) return first_text.status();
  absl::StatusOr<std::vector<TokenId>> first = tokenizer_->EncodeRendered(*first_text);
  if (!first.ok()) return first.status();
  // A BOS that every turn begins with must not be preceded by another one.
  bool differs = format_->first_turn_differs() || (*first == *turn && BeginsWithBos(*first));
  if (!differs) {
    // What holds for the text must hold for its tokens: SentencePiece puts a space before a text's first word only.
    absl::StatusOr<std::vector<TokenId>> pieces = OpeningTokens(std::nullopt);
    if (!pieces.ok()) return pieces.status();
    pieces->insert(pieces->end(), turn->begin(), turn->end());
    differs = *first != *pieces;
  }
  if (!differs) return absl::OkStatus();
  absl::StatusOr<FirstTurnSplit> first_turn = FirstTurnSplit::Learn(*format_, *tokenizer_, false, Now());
  if (!first_turn.ok()) return first_turn.status();
  first_turn_ = std::make_unique<const FirstTurnSplit>(*std::move(first_turn));
  if (!format_->system_support().ok()) return absl::OkStatus();
  absl::StatusOr<FirstTurnSplit> after_system = FirstTurnSplit::Learn(*format_, *tokenizer_, true, Now());
  if (!after_system.ok()) return after_system.status();
  first_turn_after_system_ = std::make_unique<const FirstTurnSplit>(*std::move(after_system));
  return absl::OkStatus();
}

absl::StatusOr<SessionOpening> ChatTemplate::Opening(absl::Span<const Message> history) const {
  if (absl::Status status = CheckOrder("history", history); !status.ok()) return status;
  const bool has_turns = !history.empty() && history.back().role == Role::kAssistant;
  std::optional<std::string> system;
  if (!history.empty() && history.front().role == Role::kSystem) {
    absl::StatusOr<std::string> defused = Defused(history.front());
    if (!defused.ok()) return defused.status();
    system = *std::move(defused);
  }
  absl::StatusOr<SessionOpening> opening = OpeningWithoutTurns(std::move(system));
  if (!opening.ok()) return opening;
  PutFirstTokens(opening->tokens);
  opening->head_tokens = static_cast<int32_t>(opening->tokens.size());
  if (!has_turns) return opening;
  absl::StatusOr<std::vector<TokenId>> tokens = HistoryTokens(history);
  if (!tokens.ok()) return tokens.status();
  PutFirstTokens(*tokens);
  // The head's last characters may merge with those of the first message.
  opening->head_tokens = static_cast<int32_t>(CommonPrefix(opening->tokens, *tokens));
  opening->tokens = *std::move(tokens);
  opening->first_turn = FirstTurn::kUsual;
  return opening;
}

absl::StatusOr<SessionOpening> ChatTemplate::OpeningWithoutTurns(std::optional<std::string> system) const {
  absl::StatusOr<std::vector<TokenId>> tokens;
  SessionOpening opening;
  if (first_turn_ == nullptr) {
    tokens = OpeningTokens(system);
  } else {
    const absl::Time now = Now();
    if (system.has_value() && absl::StripAsciiWhitespace(*system).empty()) {
      // A template may take a blank system message for none, and then the first turn's tokens are those after none.
      const std::string question(TurnFormat::kQuestion);
      absl::StatusOr<std::string> with = format_->FirstTurn(question, system, now);
      if (!with.ok()) return with.status();
      absl::StatusOr<std::string> without = format_->FirstTurn(question, std::nullopt, now);
      if (!without.ok()) return without.status();
      if (*with == *without) system.reset();
    }
    if (!system.has_value()) {
      opening.first_turn = FirstTurn::kOpens;
      tokens = first_turn_->Opening(std::nullopt, now);
    } else if (first_turn_after_system_ != nullptr) {
      opening.first_turn = FirstTurn::kOpensAfterSystem;
      tokens = first_turn_after_system_->Opening(system, now);
    } else {
      return format_->system_support();
    }
  }
  if (!tokens.ok()) return tokens.status();
  opening.tokens = *std::move(tokens);
  return opening;
}

absl::StatusOr<UserTurn> ChatTemplate::Turn(absl::string_view user_text) const {
  absl::StatusOr<std::string> user = Defused({Role::kUser, std::string(user_text)});
  if (!user.ok()) return user.status();
  absl::StatusOr<std::string> text = format_->Turn(*user);
  if (!text.ok()) return text.status();
  absl::StatusOr<std::vector<TokenId>> tokens = TurnTokens(*text);
  if (!tokens.ok()) return tokens.status();
  if (ControlsOf(*tokenizer_, *tokens) != turn_controls_) {
    return absl::InvalidArgumentError("this message makes the chat template write other control tokens than usual");
  }
  UserTurn turn;
  turn.tokens = *std::move(tokens);
  if (first_turn_ != nullptr) {
    absl::StatusOr<std::vector<TokenId>> first = first_turn_->Remainder(*user);
    if (!first.ok()) return first.status();
    turn.tokens_if_first = *std::move(first);
  }
  if (first_turn_after_system_ != nullptr) {
    absl::StatusOr<std::vector<TokenId>> first = first_turn_after_system_->Remainder(*user);
    if (!first.ok()) return first.status();
    turn.tokens_if_first_after_system = *std::move(first);
  }
  return turn;
}

absl::StatusOr<UserTurn> ChatTemplate::Continuation(absl::Span<const Message> messages) const {
  if (messages.empty()) return absl::InvalidArgumentError("there are no messages");
  if (messages.front().role == Role::kSystem) {
    return absl::InvalidArgumentError("the first message is a system message, must be a user's");
  }
  if (absl::Status status = CheckOrder("messages", messages); !status.ok()) return status;
  std::vector<TemplateMessage> defused;
  std::vector<TemplateMessage> stand_ins;
  for (const Message& message : messages) {
    absl::StatusOr<std::string> text = Defused(message);
    if (!text.ok()) return text.status();
    // A template may leave out a blank text.
    const bool is_blank = absl::StripAsciiWhitespace(message.text).empty();
    stand_ins.push_back({RoleName(message.role), is_blank ? *text : "x"});
    defused.push_back({RoleName(message.role), *std::move(text)});
  }
  const auto variant = [&](const FirstTurnSplit* first) -> absl::StatusOr<std::vector<TokenId>> {
    absl::StatusOr<std::vector<TokenId>> tokens = ContinuationTokens(first, defused);
    if (!tokens.ok()) return tokens;
    absl::StatusOr<std::vector<TokenId>> expected = ContinuationTokens(first, stand_ins);
    if (!expected.ok()) return expected;
    if (ControlsOf(*tokenizer_, *tokens) != ControlsOf(*tokenizer_, *expected)) {
      return absl::InvalidArgumentError("the messages make the chat template write other control tokens than usual");
    }
    return tokens;
  };
  UserTurn turn;
  absl::StatusOr<std::vector<TokenId>> tokens = variant(nullptr);
  if (!tokens.ok()) return tokens.status();
  turn.tokens = *std::move(tokens);
  if (first_turn_ != nullptr) {
    tokens = variant(first_turn_.get());
    if (!tokens.ok()) return tokens.status();
    turn.tokens_if_first = *std::move(tokens);
  }
  if (first_turn_after_system_ != nullptr) {
    tokens = variant(first_turn_after_system_.get());
    if (!tokens.ok()) return tokens.status();
    turn.tokens_if_first_after_system = *std::move(tokens);
  }
  return turn;
}

absl::StatusOr<std::vector<TokenId>> ChatTemplate::ContinuationTokens(
    const FirstTurnSplit* first, absl::Span<const TemplateMessage> messages) const {
  if (first != nullptr) return first->Continuation(messages);
  absl::StatusOr<std::string> text = format_->Continuation(messages);
  if (!text.ok()) return text.status();
  return TurnTokens(*text);
}

absl::StatusOr<std::vector<TokenId>> ChatTemplate::Notes(absl::string_view text) const {
  if (text.empty()) return std::vector<TokenId>();
  if (first_turn_ != nullptr || !format_->system_support().ok()) {
    return tokenizer_->EncodeText(absl::StrCat(text, "\n"));
  }
  absl::StatusOr<std::string> defused = Defused({Role::kSystem, std::string(text)});
  if (!defused.ok()) return defused.status();
  absl::StatusOr<std::vector<TokenId>> tokens = OpeningTokens(*std::move(defused));
  // A BOS that every message begins with is the message's.
  if (tokens.ok() && BeginsWithBos(*tokens) && !turns_begin_with_bos_) tokens->erase(tokens->begin());
  return tokens;
}

bool ChatTemplate::trims_reply() const { return tokenizer_->adds_leading_space() || format_->reply_lead() == " "; }

absl::StatusOr<std::string> ChatTemplate::Defused(const Message& message) const {
  return tokenizer_->Defuse(message.text, /*keep_template_literals=*/message.role == Role::kAssistant);
}

absl::StatusOr<std::vector<TokenId>> ChatTemplate::TurnTokens(const std::string& turn_text) const {
  absl::StatusOr<std::vector<TokenId>> whole = tokenizer_->EncodeRendered(absl::StrCat(format_->answered(), turn_text));
  if (!whole.ok()) return whole;
  if (BeginsWith(*whole, answered_tokens_)) return After(*whole, answered_tokens_.size());
  // The turn's first characters merge with the end of the reply. In the stream that end has been fed already.
  return tokenizer_->EncodeRendered(turn_text);
}

absl::StatusOr<std::vector<TokenId>> ChatTemplate::OpeningTokens(const std::optional<std::string>& system) const {
  const absl::Time now = Now();
  absl::StatusOr<std::string> opening = format_->Opening(system, now);
  if (!opening.ok()) return opening.status();
  absl::StatusOr<std::vector<TokenId>> tokens = tokenizer_->EncodeRendered(*opening);
  if (!tokens.ok() || !system.has_value()) return tokens;
  absl::StatusOr<std::string> stand_in = format_->Opening(std::string("x"), now);
  if (!stand_in.ok()) return stand_in.status();
  absl::StatusOr<std::vector<TokenId>> expected = tokenizer_->EncodeRendered(*stand_in);
  if (!expected.ok()) return expected;
  if (ControlsOf(*tokenizer_, *tokens) != ControlsOf(*tokenizer_, *expected)) {
    return absl::InvalidArgumentError(
        "the system message makes the chat template write other control tokens than usual");
  }
  return tokens;
}

absl::StatusOr<std::vector<TokenId>> ChatTemplate::HistoryTokens(absl::Span<const Message> history) const {
  std::vector<TemplateMessage> messages;
  std::vector<TemplateMessage> stand_ins;
  for (const Message& message : history) {
    absl::StatusOr<std::string> defused = Defused(message);
    if (!defused.ok()) return defused.status();
    // A template may leave out a blank text.
    const bool is_blank = absl::StripAsciiWhitespace(message.text).empty();
    stand_ins.push_back({RoleName(message.role), is_blank ? *defused : "x"});
    messages.push_back({RoleName(message.role), *std::move(defused)});
  }
  const absl::Time now = Now();
  absl::StatusOr<std::string> text = format_->History(messages, now);
  if (!text.ok()) return text.status();
  absl::StatusOr<std::vector<TokenId>> tokens = tokenizer_->EncodeRendered(*text);
  if (!tokens.ok()) return tokens;
  absl::StatusOr<std::string> stand_in = format_->History(stand_ins, now);
  if (!stand_in.ok()) return stand_in.status();
  absl::StatusOr<std::vector<TokenId>> expected = tokenizer_->EncodeRendered(*stand_in);
  if (!expected.ok()) return expected;
  if (ControlsOf(*tokenizer_, *tokens) != ControlsOf(*tokenizer_, *expected)) {
    return absl::InvalidArgumentError("the history makes the chat template write other control tokens than usual");
  }
  return tokens;
}

void ChatTemplate::PutFirstTokens(std::vector<TokenId>& tokens) const {
  if (options_.add_bos && options_.bos_token.has_value() && !BeginsWithBos(tokens)) {
    tokens.insert(tokens.begin(), *options_.bos_token);
  }
  // Which the template may have written already, or which is BOS.
  if (options_.sink_token.has_value() && (tokens.empty() || tokens.front() != *options_.sink_token)) {
    tokens.insert(tokens.begin(), *options_.sink_token);
  }
}

bool ChatTemplate::BeginsWithBos(absl::Span<const TokenId> tokens) const {
  return options_.bos_token.has_value() && !tokens.empty() && tokens.front() == *options_.bos_token;
}

absl::Time ChatTemplate::Now() const { return options_.now(); }

}  // namespace perennial
