// The session that a chat talks in, and the ones that it has made.

#ifndef PERENNIAL_CLIENT_COMMAND_CHAT_SESSION_H_
#define PERENNIAL_CLIENT_COMMAND_CHAT_SESSION_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/chat_client.h"

namespace perennial {

// What a new session's note budget is unless the user says: a few sentences.
inline constexpr int32_t kDefaultNoteTokens = 128;

// Not thread-safe. `client` must outlive it.
class ChatSession {
 public:
  // `config` is what new sessions are made with. Without `note_tokens` they get kDefaultNoteTokens, or what the server
  // allows, or an eighth of the cache if that is less; none on a server without notes.
  ChatSession(ChatClient& client, v1::SessionConfig config, std::optional<int32_t> note_tokens);

  // ---- Which session. On an error the one before stays. ----

  absl::Status GoOnWith(const std::string& id);
  absl::Status Create();
  absl::Status Fork();

  // Only the turns up to this one stay.
  absl::Status Rewind(int64_t to_turn);

  // Asks the server how far the session is: after a turn that failed, or for another client's turns.
  absl::Status Refresh();

  // A turn of this session was admitted; `kept`: it is in the stream (a turn that is stopped before its first token
  // leaves no trace but its number).
  void NoteTurn(int64_t turn, bool kept);

  // Deletes the current session if this chat made it, or all that it made. Failures are ignored: the server's idle
  // timeout does it, too.
  void DeleteCurrent();
  void DeleteAll();

  // It is gone or is to be left alone: DeleteAll will not touch it.
  void Disown() { made_.erase(id()); }

  // ---- What is known ----

  const std::string& id() const { return session_.session_id(); }
  const v1::Session& session() const { return session_; }  // as of the last answer
  bool made_here() const { return made_.count(id()) > 0; }
  v1::SessionConfig& config() { return config_; }

  // Number of the newest turn that was admitted; 0: none.
  int64_t last_turn() const { return session_.last_turn(); }

  // Number of the newest turn in the stream; 0: none.
  int64_t newest_turn() const { return TurnBack(0); }

  // Number of the turn that is the newest when the last `count` are taken back; 0: only the opening stays.
  int64_t TurnBack(int64_t count) const;

 private:
  void Adopt(v1::Session session);

  ChatClient& client_;
  v1::SessionConfig config_;
  const std::optional<int32_t> note_tokens_;

  v1::Session session_;
  std::set<std::string> made_;  // ids of sessions that this chat made and has not deleted

  // Numbers of the turns in the stream, ascending: the newest ones, as far as they are known here. Numbers can have
  // gaps.
  std::vector<int64_t> turns_;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_CHAT_SESSION_H_
