// Shows a turn while it runs: the reply's text as it comes, where it waits, and what happened on the way.

#ifndef PERENNIAL_CLIENT_COMMAND_REPLY_PRINTER_H_
#define PERENNIAL_CLIENT_COMMAND_REPLY_PRINTER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "client/command/console.h"
#include "perennial/v1/turn.pb.h"

namespace perennial {

// One for each turn: pass every event of the turn to OnEvent, then call End. Text goes to standard output, on a
// terminal without control characters (see utf8.h); progress ("waiting for 2 turns", "reading the prompt, 40 %") to
// standard error and only where it can be erased again.
class ReplyPrinter {
 public:
  // With `quiet` nothing is printed, only collected.
  ReplyPrinter(const Console& console, bool quiet) : console_(console), quiet_(quiet) {}

  void OnEvent(const v1::TurnEvent& event);

  // Erases the progress and ends the last line of the text.
  void End();

  // ---- What has been collected ----

  const std::string& text() const { return text_; }
  const std::string& session_id() const { return session_id_; }
  int64_t turn() const { return turn_; }                    // 0: was not admitted
  int64_t prompt_tokens() const { return prompt_tokens_; }  // fed before the first token

  // All evictions of the turn as one.
  const std::optional<v1::Evicted>& evicted() const { return evicted_; }

 private:
  void ShowProgress(const std::string& line);
  void EraseProgress();

  const Console console_;
  const bool quiet_;
  std::string text_;
  std::string session_id_;
  int64_t turn_ = 0;
  int64_t prompt_tokens_ = 0;
  std::optional<v1::Evicted> evicted_;
  bool progress_shown_ = false;
};

// What a person is told when tokens are forgotten for the first time in a session: "the cache is full: the model can no
// longer read all of turns 1–3. …". `evicted` is what the turn reported; it does so only when the horizon passes a
// turn's boundary, so `memory`, after the turn, has to help out.
std::string ForgettingNotice(const std::optional<v1::Evicted>& evicted, const v1::SessionMemory& memory);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_REPLY_PRINTER_H_
