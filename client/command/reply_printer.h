// Shows a turn while it runs: the reply's text as it comes, where it waits, and what happened on the way.

#ifndef PERENNIAL_CLIENT_COMMAND_REPLY_PRINTER_H_
#define PERENNIAL_CLIENT_COMMAND_REPLY_PRINTER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "client/cancel_token.h"
#include "client/command/console.h"
#include "client/connection_observer.h"
#include "perennial/v1/turn.pb.h"

namespace perennial {

// How much of a turn is printed.
enum class ReplyShown {
  kNothing,        // it is only collected
  kText,           // the reply, and what concerns the connection
  kTextAndMemory,  // and lines between the reply's where memory ends: "── memory now begins at turn 7 ──"
};

// One for each turn: pass every event of the turn to OnEvent, then call End. Text goes to standard output, on a
// terminal without control characters (see utf8.h); progress ("waiting for 2 turns", "reading the prompt, 40 %") to
// standard error and only where it can be erased again. A lost connection is told on the line below the text, and
// erased when the text goes on; where nothing can be erased, in a line on standard error.
class ReplyPrinter : public ConnectionObserver {
 public:
  ReplyPrinter(const Console& console, ReplyShown shown) : console_(console), shown_(shown) {}

  void OnEvent(const v1::TurnEvent& event);

  // The same, and cancels the turn's call, once, when standard output is lost (console.h): a turn must not run on for
  // nobody.
  void OnEvent(const v1::TurnEvent& event, CancelToken& call);

  void OnLost(const absl::Status& cause, absl::Duration wait) override;
  void OnFound() override;

  // Erases the progress, ends the last line of the text, and prints what waited for that.
  void End();

  // ---- What has been collected ----

  const std::string& text() const { return text_; }
  const std::string& session_id() const { return session_id_; }
  int64_t turn() const { return turn_; }                    // 0: was not admitted
  int64_t prompt_tokens() const { return prompt_tokens_; }  // fed before the first token
  int reconnects() const { return reconnects_; }

  // All evictions of the turn as one.
  const std::optional<v1::Evicted>& evicted() const { return evicted_; }

 private:
  void PrintText(const std::string& text);
  void PrintMemory();  // what waits, at the beginning of a line
  bool at_line_begin() const { return text_.empty() || text_.back() == '\n'; }
  void ShowProgress(const std::string& line);
  void EraseProgress();

  const Console console_;
  const ReplyShown shown_;
  std::string text_;
  std::string session_id_;
  int64_t turn_ = 0;
  int64_t prompt_tokens_ = 0;
  std::optional<v1::Evicted> evicted_;
  int reconnects_ = 0;

  std::string memory_mark_, memory_warning_;  // wait for the end of a line
  bool progress_shown_ = false;
  bool loss_shown_ = false;
};

// What a person is told when tokens are forgotten for the first time in a session: "the cache is full: the model can no
// longer read all of turns 1–3. …". `evicted` is what the turn reported; it does so only when the horizon passes a
// turn's boundary, so `memory`, after the turn, has to help out.
std::string ForgettingNotice(const std::optional<v1::Evicted>& evicted, const v1::SessionMemory& memory);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_REPLY_PRINTER_H_
