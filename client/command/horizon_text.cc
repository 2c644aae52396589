#include "client/command/horizon_text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/command/format.h"
#include "client/command/utf8.h"

namespace perennial {
namespace {

constexpr int kBarWidth = 20;

std::string Bar(int64_t part, int64_t whole) {
  const int64_t full = whole > 0 ? std::clamp<int64_t>(part * kBarWidth / whole, 0, kBarWidth) : 0;
  std::string bar;
  for (int i = 0; i < kBarWidth; ++i) bar += i < full ? "█" : "░";
  return bar;
}

std::string RoleText(v1::Role role) {
  switch (role) {
    case v1::ROLE_SYSTEM:
      return "system";
    case v1::ROLE_USER:
      return "you";
    case v1::ROLE_ASSISTANT:
      return "reply";
    default:
      return "unknown";
  }
}

// What is visible of the stream.
std::string RemembersText(const v1::Session& session) {
  const v1::SessionMemory& memory = session.memory();
  if (memory.stream_tokens() == 0 || session.turns() == 0) return "nothing was said yet";
  if (memory.forgotten_tokens() == 0) return "everything";
  const std::string oldest =
      memory.horizon_turn() > 0 ? absl::StrCat("turn ", CountText(memory.horizon_turn())) : "the opening";
  return absl::StrCat("from ", oldest, " on (token ", CountText(memory.horizon_token()), " of ",
                      CountText(memory.stream_tokens()), "); the newest is turn ", CountText(session.last_turn()));
}

}  // namespace

std::string WindowText(const v1::SessionMemory& memory) {
  return absl::StrCat("The window holds ", CountText(memory.window_tokens_used()), " of ",
                      CountText(memory.window_tokens(), "token", "tokens"));
}

std::string HorizonText(const v1::Session& session) {
  const v1::SessionMemory& memory = session.memory();
  const v1::Notes& notes = session.notes();
  std::vector<std::pair<std::string, std::string>> lines = {
      {"remembers", RemembersText(session)},
      {"window", absl::StrCat(Bar(memory.window_tokens_used(), memory.window_tokens()), "  ",
                              CountText(memory.window_tokens_used()), " of ",
                              CountText(memory.window_tokens(), "token", "tokens"))},
      {"pinned", absl::StrCat("the first ", CountText(memory.sink_tokens(), "token", "tokens"), ", for ever")}};
  if (notes.budget_tokens() > 0) {
    lines.emplace_back("notes", absl::StrCat(CountText(notes.tokens()), " of ",
                                             CountText(notes.budget_tokens(), "token", "tokens"), " (/note)"));
  }
  lines.emplace_back("forgotten", absl::StrCat(CountText(memory.forgotten_tokens(), "token", "tokens"),
                                               memory.forgotten_tokens() > 0 && memory.horizon_turn() > 1
                                                   ? absl::StrCat(": ", TurnsText(1, memory.horizon_turn() - 1))
                                                   : ""));
  return Fields(lines);
}

std::string NotesText(const v1::Notes& notes) {
  if (notes.budget_tokens() == 0) return "This session was made without notes (perennial chat --note_tokens=N).\n";
  std::vector<std::pair<std::string, std::string>> lines = {
      {"notes", absl::StrCat(CountText(notes.tokens()), " of ", CountText(notes.budget_tokens(), "token", "tokens"))}};
  if (!notes.pinned_turns().empty()) lines.emplace_back("pinned turns", absl::StrJoin(notes.pinned_turns(), ", "));
  lines.emplace_back("text", notes.text().empty() ? "none" : TerminalSafe(notes.text()));
  return Fields(lines);
}

std::string TranscriptText(const std::vector<v1::TranscriptTurn>& turns) {
  std::string text;
  for (const v1::TranscriptTurn& turn : turns) {
    absl::StrAppend(&text, "── turn ", CountText(turn.turn()), turn.forgotten() ? ", forgotten" : "",
                    turn.truncated() ? ", not whole" : "", " ──\n");
    for (const v1::Message& message : turn.messages()) {
      absl::StrAppend(&text, RoleText(message.role()), ": ", TerminalSafe(message.text()), "\n");
    }
  }
  return text;
}

std::string MemoryMark(const v1::Evicted& evicted) {
  const int64_t horizon = evicted.memory().horizon_turn();
  const std::string cause =
      evicted.reason() == v1::EVICTION_REASON_UNDONE_TURN ? "the turn was undone, but had pushed out older ones: " : "";
  // The turns that are now partly forgotten end with last_turn.
  const std::string place =
      horizon <= 0 ? "within the opening"
                   : absl::StrCat(horizon <= evicted.last_turn() ? "within turn " : "at turn ", CountText(horizon));
  return absl::StrCat("── ", cause, "memory now begins ", place, " ──");
}

std::string MemoryWarning(const v1::WillEvict& will_evict) {
  const bool one = will_evict.first_turn() == will_evict.last_turn() || will_evict.last_turn() <= 0;
  return absl::StrCat("── ", CountText(will_evict.in_tokens(), "more token", "more tokens"), ", and ",
                      TurnsText(will_evict.first_turn(), will_evict.last_turn()), one ? " is" : " are",
                      " forgotten; /note keeps what must stay ──");
}

}  // namespace perennial
