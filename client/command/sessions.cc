// `perennial sessions`: list, show, create, delete.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/command/format.h"
#include "client/command/json_text.h"
#include "client/command/session_text.h"
#include "client/command/subcommand.h"
#include "client/command/turn_flags.h"
#include "client/command/utf8.h"

namespace perennial {
namespace {

constexpr absl::string_view kHelp = R"(perennial sessions: list, show, create and delete sessions.

Usage: perennial sessions [list] [--state=STATE]   a table: how much each has seen, can read, has forgotten
       perennial sessions show ID                  everything about one
       perennial sessions create [FLAGS]           prints the new session's id
       perennial sessions delete ID…               cancels its turns and forgets it

In the table, "seen" are the tokens of the session's whole stream, "cached" those that the model can read now (the first
few, kept for ever, and the newest), "forgotten" those that it never will again.

Examples:
  perennial sessions
  id=$(perennial sessions create --system="Answer in one word." --idle_timeout=12h)
  perennial ask --session=$id "What is the capital of France?"
  perennial sessions show $id --json | jq .memory
  perennial sessions delete $id
)";

int List(const Invocation& invocation, ChatClient& client, absl::string_view state_name, bool json) {
  v1::SessionState state = v1::SESSION_STATE_UNSPECIFIED;
  if (!state_name.empty()) {
    for (const v1::SessionState one : {v1::SESSION_STATE_IDLE, v1::SESSION_STATE_WAITING, v1::SESSION_STATE_RUNNING}) {
      if (StateText(one) == state_name) state = one;
    }
    if (state == v1::SESSION_STATE_UNSPECIFIED) {
      return UsageError(invocation, absl::StrCat("--state='", state_name, "' is not idle, waiting or running"));
    }
  }
  const auto sessions = client.ListSessions(state);
  if (!sessions.ok()) return CallError(invocation, sessions.status(), json);
  if (json) {
    WriteOut(SessionsJson(*sessions));
  } else if (sessions->empty()) {
    WriteError("no sessions\n");
  } else {
    WriteOut(SessionTable(*sessions, absl::Now()));
  }
  return kExitOk;
}

int Show(const Invocation& invocation, ChatClient& client, const std::string& id, bool json) {
  const auto session = client.GetSession(id);
  if (!session.ok()) return CallError(invocation, session.status(), json);
  WriteOut(json ? SessionJson(*session) : SessionFields(*session, absl::Now()));
  return kExitOk;
}

int Create(const Invocation& invocation, ChatClient& client, const SessionFlags& flags, bool json) {
  auto config = flags.Config();
  if (!config.ok()) return UsageError(invocation, config.status().message());
  const auto session = client.CreateSession(*std::move(config));
  if (!session.ok()) return CallError(invocation, session.status(), json);
  WriteOut(json ? SessionJson(*session) : absl::StrCat(session->session_id(), "\n"));
  return kExitOk;
}

// Deletes all of them; one that fails does not keep the others from it.
int Delete(const Invocation& invocation, ChatClient& client, const std::vector<std::string>& ids, bool json) {
  std::vector<v1::Session> deleted;
  int exit_code = kExitOk;
  for (const std::string& id : ids) {
    auto session = client.DeleteSession(id);
    if (session.ok()) {
      if (!json) WriteError(absl::StrCat("deleted ", id, "\n"));
      deleted.push_back(*std::move(session));
    } else {
      exit_code = CallError(invocation, session.status());
    }
  }
  if (json) WriteOut(SessionsJson(deleted));
  return exit_code;
}

}  // namespace

int RunSessions(Invocation invocation) {
  bool json = false;
  std::string state;
  SessionFlags session;
  FlagSet flags;
  flags.AddHeading("Flags:");
  flags.AddSwitch("json", &json, "print one JSON object (create: the session; delete: those deleted)");
  flags.Add("state", &state, "STATE", "list only these: idle, waiting or running");
  flags.AddHeading("Flags of create (what is not given is the server's default, see perennial model):");
  session.AddTo(flags);
  int exit_code = kExitOk;
  auto positional = ParseFlags(flags, invocation, kHelp, exit_code);
  if (!positional.has_value()) return exit_code;

  const std::string verb = positional->empty() ? "list" : positional->front();
  const std::vector<std::string> ids(positional->begin() + std::min<size_t>(1, positional->size()), positional->end());
  const bool takes_ids = verb == "show" || verb == "delete";
  if (!takes_ids && verb != "list" && verb != "create") {
    return UsageError(invocation, absl::StrCat("'", verb, "' is not list, show, create or delete"));
  }
  if (takes_ids && ids.empty())
    return UsageError(invocation, absl::StrCat("which session? perennial sessions ", verb, " ID"));
  if ((verb == "show" && ids.size() > 1) || (!takes_ids && !ids.empty())) {
    return UsageError(invocation, absl::StrCat("too many arguments: ", absl::StrJoin(ids, " ")));
  }
  for (const std::string& id : ids) {
    if (absl::Status status = CheckUtf8("the session's id", id); !status.ok())
      return UsageError(invocation, status.message());
  }
  if (verb != "create" && session.any_given()) {
    return UsageError(invocation, "the flags that make a session fit only perennial sessions create");
  }
  if (verb != "list" && !state.empty()) return UsageError(invocation, "--state fits only perennial sessions list");

  const auto client = NewClient(invocation);
  if (client == nullptr) return kExitUsage;
  if (verb == "show") return Show(invocation, *client, ids.front(), json);
  if (verb == "create") return Create(invocation, *client, session, json);
  if (verb == "delete") return Delete(invocation, *client, ids, json);
  return List(invocation, *client, state, json);
}

}  // namespace perennial
