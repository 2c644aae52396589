// Turns as a chat shows them: the reply as it comes, what is forgotten on the way, the line of figures after it.

#ifndef PERENNIAL_CLIENT_COMMAND_CHAT_TURNS_H_
#define PERENNIAL_CLIENT_COMMAND_CHAT_TURNS_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "client/chat_client.h"
#include "client/command/chat_screen.h"
#include "client/command/chat_session.h"
#include "client/command/interrupt.h"
#include "client/command/reply_printer.h"

namespace perennial {

// One thread; all arguments must outlive it.
class ChatTurns {
 public:
  ChatTurns(ChatClient& client, const ChatScreen& screen, ChatSession& session, Interrupt& interrupt)
      : client_(client), screen_(screen), session_(session), interrupt_(interrupt) {}

  // Says `message` in the session; `request` has everything else. Ctrl-C stops the reply, which is then closed properly
  // and OK. ABORTED (STALE_TURN) when another client has used the session since.
  absl::Status Say(v1::ChatRequest request, const std::string& message);

  // Shows a turn of the session again, or follows it if it still runs, from the oldest event that the server keeps.
  // Ctrl-C leaves it.
  absl::Status Follow(int64_t turn);

  // Begins anew with telling that tokens are forgotten: the session is another one.
  void ForSession(const v1::Session& session) { told_forgetting_ = session.memory().forgotten_tokens() > 0; }

 private:
  using Call = absl::FunctionRef<absl::StatusOr<v1::Finished>(ReplyPrinter& printer, CancelToken& cancel)>;

  // Runs a call that Ctrl-C cancels and shows its turn.
  absl::StatusOr<v1::Finished> Show(ReplyPrinter& printer, Call call);

  ChatClient& client_;
  const ChatScreen& screen_;
  ChatSession& session_;
  Interrupt& interrupt_;
  bool told_forgetting_ = false;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_CHAT_TURNS_H_
