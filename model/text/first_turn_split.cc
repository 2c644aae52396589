#include "model/text/first_turn_split.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "model/text/token_lists.h"

namespace perennial::text_internal {
namespace {

using Tokens = std::vector<TokenId>;

// More of the template's text than this never hangs together with the user's first word.
constexpr size_t kMaxLeadBytes = 64;

// User texts that begin differently: with a letter, a digit, a mark, an ideograph, white space.
constexpr size_t kNumProbesWithoutSpace = 5;  // the first ones
const std::vector<std::string>& UserProbes() {
  static const auto& probes = *new std::vector<std::string>{
      std::string(TurnFormat::kQuestion),
      "what is it?",
      "1 + 1 =",
      "(a) or (b)",
      "\xE4\xBD\xA0\xE5\xA5\xBD",  // Chinese
      " indented",
      "\nsecond line",
  };
  return probes;
}

// What the tail must not depend on.
struct Circumstance {
  std::optional<std::string> system;
  absl::Time now;
};

std::vector<Circumstance> Circumstances(bool after_system, absl::Time now) {
  const absl::Time another_day = now + absl::Hours(24 * 400);
  if (!after_system) return {{std::nullopt, now}, {std::nullopt, another_day}};
  return {{"Answer briefly and politely.", now},
          {"You are a pirate.\n\nAlways rhyme:", now},
          {"\xE4\xBD\xA0\xE5\xA5\xBD 42", another_day}};
}

// The renderings of all user probes in one circumstance.
struct Renderings {
  std::string head;
  std::vector<std::string> tails;  // [user probe]
  std::vector<Tokens> tokens;      // [user probe], of head and tail together
  Tokens opening;                  // of the lead that is tried
};

absl::StatusOr<Renderings> Render(const TurnFormat& format, const Tokenizer& tokenizer,
                                  const Circumstance& circumstance) {
  Renderings renderings;
  std::vector<std::string> texts;
  for (const std::string& user : UserProbes()) {
    absl::StatusOr<std::string> text = format.FirstTurn(user, circumstance.system, circumstance.now);
    if (!text.ok()) return text.status();
    absl::StatusOr<Tokens> tokens = tokenizer.EncodeRendered(*text);
    if (!tokens.ok()) return tokens.status();
    texts.push_back(*std::move(text));
    renderings.tokens.push_back(*std::move(tokens));
  }
  size_t common = texts.front().size();
  for (const std::string& text : texts) {
    const size_t most = std::min(common, text.size());
    common = std::mismatch(text.begin(), text.begin() + most, texts.front().begin()).first - text.begin();
  }
  renderings.head = texts.front().substr(0, common);
  for (const std::string& text : texts) renderings.tails.push_back(text.substr(common));
  return renderings;
}

absl::StatusOr<Tokens> EncodeUnlessEmpty(const Tokenizer& tokenizer, absl::string_view text) {
  if (text.empty()) return Tokens();
  return tokenizer.EncodeRendered(text);
}

bool BeginsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// True if the heads without their last `lead` bytes have tokens that the first `num_probes` renderings begin with, and
// what follows them is the same in all circumstances. Sets Renderings::opening.
absl::StatusOr<bool> Splits(const Tokenizer& tokenizer, size_t lead, size_t num_probes, std::vector<Renderings>& all) {
  for (Renderings& renderings : all) {
    const absl::string_view head = renderings.head;
    absl::StatusOr<Tokens> opening = EncodeUnlessEmpty(tokenizer, head.substr(0, head.size() - lead));
    if (!opening.ok()) return opening.status();
    renderings.opening = *std::move(opening);
    for (size_t i = 0; i < num_probes; ++i) {
      if (!BeginsWith(renderings.tokens[i], renderings.opening)) return false;
      if (After(renderings.tokens[i], renderings.opening.size()) !=
          After(all.front().tokens[i], all.front().opening.size())) {
        return false;
      }
    }
  }
  return true;
}

// The fewest bytes that split; none if there are no such bytes.
absl::StatusOr<std::optional<std::string>> FindLead(const Tokenizer& tokenizer, size_t num_probes,
                                                    std::vector<Renderings>& all) {
  const absl::string_view head = all.front().head;
  for (size_t size = 0; size <= std::min(head.size(), kMaxLeadBytes); ++size) {
    const absl::string_view lead = head.substr(head.size() - size);
    if (!lead.empty() && !BeginsCharacter(lead.front())) continue;
    const bool is_common = std::all_of(
        all.begin(), all.end(), [lead](const Renderings& renderings) { return absl::EndsWith(renderings.head, lead); });
    if (!is_common) break;
    absl::StatusOr<bool> splits = Splits(tokenizer, size, num_probes, all);
    if (!splits.ok()) return splits.status();
    if (*splits) return std::string(lead);
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<FirstTurnSplit> FirstTurnSplit::Learn(const TurnFormat& format, const Tokenizer& tokenizer,
                                                     bool after_system, absl::Time now) {
  const std::vector<Circumstance> circumstances = Circumstances(after_system, now);
  std::vector<Renderings> all;
  for (const Circumstance& circumstance : circumstances) {
    absl::StatusOr<Renderings> renderings = Render(format, tokenizer, circumstance);
    if (!renderings.ok()) return renderings.status();
    all.push_back(*std::move(renderings));
    if (all.back().tails != all.front().tails) {
      return NotAppendOnly("how it writes a first message depends on the system message or the date");
    }
  }
  absl::StatusOr<std::optional<std::string>> lead = FindLead(tokenizer, UserProbes().size(), all);
  if (!lead.ok()) return lead.status();
  if (!lead->has_value()) {
    // White space may merge with the template's and, through it, with the system message's last character; then texts
    // that begin with it are tokenized alone.
    lead = FindLead(tokenizer, kNumProbesWithoutSpace, all);
    if (!lead.ok()) return lead.status();
  }
  if (!lead->has_value()) {
    return NotAppendOnly("what it writes before a first message is split into tokens differently for each message");
  }

  const Renderings& stand_in = all.front();
  FirstTurnSplit split(&format, &tokenizer);
  split.learnt_at_ = now;
  split.stand_in_system_ = circumstances.front().system;
  split.head_ = stand_in.head;
  split.lead_ = **std::move(lead);
  split.question_tail_ = stand_in.tails.front();
  split.opening_ = stand_in.opening;
  split.opening_controls_ = ControlsOf(tokenizer, stand_in.opening);
  split.remainder_controls_ = ControlsOf(tokenizer, After(stand_in.tokens.front(), stand_in.opening.size()));
  return split;
}

absl::StatusOr<Tokens> FirstTurnSplit::Opening(const std::optional<std::string>& system, absl::Time now) const {
  absl::StatusOr<std::string> text = format_->FirstTurn(std::string(TurnFormat::kQuestion), system, now);
  if (!text.ok()) return text.status();
  absl::string_view opening = *text;
  if (!absl::ConsumeSuffix(&opening, absl::StrCat(lead_, question_tail_))) {
    return absl::InvalidArgumentError("this system message makes the chat template write the first turn differently");
  }
  absl::StatusOr<Tokens> tokens = EncodeUnlessEmpty(*tokenizer_, opening);
  if (!tokens.ok()) return tokens;
  if (ControlsOf(*tokenizer_, *tokens) != opening_controls_) {
    return absl::InvalidArgumentError(
        "the system message makes the chat template write other control tokens than usual");
  }
  return tokens;
}

absl::StatusOr<Tokens> FirstTurnSplit::TokensAfterOpening(absl::string_view rendering) const {
  absl::string_view tail = rendering;
  if (!absl::ConsumePrefix(&tail, head_)) {
    return absl::InvalidArgumentError("this message makes the chat template write differently what is before it");
  }
  absl::StatusOr<Tokens> tokens = tokenizer_->EncodeRendered(rendering);
  if (!tokens.ok()) return tokens;
  if (BeginsWith(*tokens, opening_)) return After(*tokens, opening_.size());
  // The text's first characters merge with the end of the opening, which has been fed already.
  return EncodeUnlessEmpty(*tokenizer_, absl::StrCat(lead_, tail));
}

absl::StatusOr<Tokens> FirstTurnSplit::Remainder(const std::string& user) const {
  absl::StatusOr<std::string> text = format_->FirstTurn(user, stand_in_system_, learnt_at_);
  if (!text.ok()) return text.status();
  absl::StatusOr<Tokens> tokens = TokensAfterOpening(*text);
  if (!tokens.ok()) return tokens;
  if (ControlsOf(*tokenizer_, *tokens) != remainder_controls_) {
    return absl::InvalidArgumentError("this message makes the chat template write other control tokens than usual");
  }
  return tokens;
}

absl::StatusOr<Tokens> FirstTurnSplit::Continuation(absl::Span<const TemplateMessage> messages) const {
  std::vector<TemplateMessage> all;
  if (stand_in_system_.has_value()) all.push_back({"system", *stand_in_system_});
  all.insert(all.end(), messages.begin(), messages.end());
  absl::StatusOr<std::string> text = format_->History(all, learnt_at_);
  if (!text.ok()) return text.status();
  absl::string_view open = *text;
  if (!absl::ConsumeSuffix(&open, format_->reply_end())) {
    return absl::InvalidArgumentError("the last reply makes the chat template end it differently");
  }
  return TokensAfterOpening(open);
}

}  // namespace perennial::text_internal
