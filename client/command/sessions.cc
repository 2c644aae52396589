// `perennial sessions`: list, show, create, fork, rewind, note, pin, transcript, delete.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/command/format.h"
#include "client/command/horizon_text.h"
#include "client/command/input.h"
#include "client/command/json_text.h"
#include "client/command/session_flags.h"
#include "client/command/session_text.h"
#include "client/command/subcommand.h"
#include "client/command/turn_flags.h"

namespace perennial {
namespace {

constexpr absl::string_view kHelp =
    R"(perennial sessions: list, show, create and delete sessions, and change what they remember.

Usage: perennial sessions [list] [--state=STATE]   a table: how much each has seen, can read, has forgotten
       perennial sessions show ID                  everything about one
       perennial sessions create [FLAGS]           prints the new session's id
       perennial sessions fork ID                  a copy that goes its own way; prints its id
       perennial sessions rewind ID TURN           takes back everything after this turn; 0: all but the opening
       perennial sessions note ID [TEXT…]          shows the notes, which are never forgotten, or replaces their text;
                                                   "-" stands for standard input, "" empties them
       perennial sessions pin ID TURN              keeps a turn that is still remembered among the notes
       perennial sessions transcript ID            the texts of the turns, if the server keeps them
       perennial sessions delete ID…               cancels its turns and forgets it

In the table, "seen" are the tokens of the session's whole stream, "cached" those that the model can read now (the first
few, kept for ever, and the newest), "forgotten" those that it never will again. A rewind is possible to turns that are
not forgotten. Notes need a session that was made with --note_tokens.

Examples:
  perennial sessions
  id=$(perennial sessions create --system="Answer in one word." --idle_timeout=12h --note_tokens=100)
  perennial ask --session=$id "What is the capital of France?"
  perennial sessions note $id "The user's name is Ada."
  copy=$(perennial sessions fork $id)
  perennial sessions show $id --json | jq .memory
  perennial sessions delete $id $copy
)";

// What one verb works on.
struct Call {
  const Invocation& invocation;
  ChatClient& client;
  std::string id;                      // of the session, where the verb takes one
  std::vector<std::string> arguments;  // the rest
  const SessionFlags& session;
  std::string state;
  bool json;
};

// Prints an answer, or reports the error.
template <typename T, typename Json, typename Text>
int Answer(const Call& call, const absl::StatusOr<T>& answer, Json json, Text text) {
  if (!answer.ok()) return CallError(call.invocation, answer.status(), call.json);
  WriteOut(call.json ? json(*answer) : text(*answer));
  return kExitOk;
}

std::string IdLine(const v1::Session& session) { return absl::StrCat(session.session_id(), "\n"); }

int List(const Call& call) {
  v1::SessionState state = v1::SESSION_STATE_UNSPECIFIED;
  if (!call.state.empty()) {
    for (const v1::SessionState one : {v1::SESSION_STATE_IDLE, v1::SESSION_STATE_WAITING, v1::SESSION_STATE_RUNNING}) {
      if (StateText(one) == call.state) state = one;
    }
    if (state == v1::SESSION_STATE_UNSPECIFIED) {
      return UsageError(call.invocation, absl::StrCat("--state='", call.state, "' is not idle, waiting or running"));
    }
  }
  const auto sessions = call.client.ListSessions(state);
  if (!sessions.ok()) return CallError(call.invocation, sessions.status(), call.json);
  if (call.json) {
    WriteOut(SessionsJson(*sessions));
  } else if (sessions->empty()) {
    WriteError("no sessions\n");
  } else {
    WriteOut(SessionTable(*sessions, absl::Now()));
  }
  return kExitOk;
}

int Show(const Call& call) {
  return Answer(call, call.client.GetSession(call.id), SessionJson,
                [](const v1::Session& session) { return SessionFields(session, absl::Now()); });
}

int Create(const Call& call) {
  auto config = call.session.Config();
  if (!config.ok()) return UsageError(call.invocation, config.status().message());
  return Answer(call, call.client.CreateSession(*std::move(config)), SessionJson, IdLine);
}

int Fork(const Call& call) {
  v1::ForkSessionRequest request;
  request.set_session_id(call.id);
  return Answer(call, call.client.ForkSession(std::move(request)), SessionJson, IdLine);
}

// The argument as the number of a turn; usage error -1.
int64_t TurnOf(const Call& call) {
  int64_t turn = -1;
  if (absl::SimpleAtoi(call.arguments.front(), &turn) && turn >= 0) return turn;
  UsageError(call.invocation, absl::StrCat("'", call.arguments.front(), "' is not the number of a turn"));
  return -1;
}

int Rewind(const Call& call) {
  v1::RewindSessionRequest request;
  request.set_session_id(call.id);
  request.set_to_turn(TurnOf(call));
  if (request.to_turn() < 0) return kExitUsage;
  return Answer(call, call.client.RewindSession(std::move(request)), SessionJson,
                [](const v1::Session& session) { return absl::StrCat(WindowText(session.memory()), ".\n"); });
}

int Note(const Call& call) {
  if (call.arguments.empty()) {
    const auto session = call.client.GetSession(call.id);
    if (!session.ok()) return CallError(call.invocation, session.status(), call.json);
    WriteOut(call.json ? NotesJson(session->notes()) : NotesText(session->notes()));
    return kExitOk;
  }
  v1::SetNotesRequest request;
  request.set_session_id(call.id);
  const bool empties = call.arguments.size() == 1 && call.arguments.front().empty();
  if (!empties) request.set_text(TextFromArguments(call.arguments));
  // Emptied, they are empty: the pinned turns go, too.
  request.set_keep_pinned_turns(!empties);
  if (absl::Status status = CheckUtf8("the notes", request.text()); !status.ok()) {
    return UsageError(call.invocation, status.message());
  }
  return Answer(call, call.client.SetNotes(request), NotesJson, NotesText);
}

int Pin(const Call& call) {
  const int64_t turn = TurnOf(call);
  if (turn < 0) return kExitUsage;
  return Answer(call, call.client.PinTurn(call.id, turn), NotesJson, NotesText);
}

int Transcript(const Call& call) {
  return Answer(call, call.client.GetTranscript(call.id), TranscriptJson, TranscriptText);
}

// Deletes all of them; one that fails does not keep the others from it.
int Delete(const Call& call) {
  std::vector<std::string> ids = call.arguments;
  ids.insert(ids.begin(), call.id);
  std::vector<v1::Session> deleted;
  int exit_code = kExitOk;
  for (const std::string& id : ids) {
    auto session = call.client.DeleteSession(id);
    if (session.ok()) {
      if (!call.json) WriteError(absl::StrCat("deleted ", id, "\n"));
      deleted.push_back(*std::move(session));
    } else {
      exit_code = CallError(call.invocation, session.status());
    }
  }
  if (call.json) WriteOut(SessionsJson(deleted));
  return exit_code;
}

constexpr size_t kAnyNumber = 1'000'000;

struct Verb {
  absl::string_view name;
  bool takes_id;
  size_t min_arguments;  // besides the id
  size_t max_arguments;
  int (*run)(const Call&);
};
constexpr Verb kVerbs[] = {
    {"list", false, 0, 0, List},
    {"show", true, 0, 0, Show},
    {"create", false, 0, 0, Create},
    {"fork", true, 0, 0, Fork},
    {"rewind", true, 1, 1, Rewind},
    {"note", true, 0, kAnyNumber, Note},
    {"pin", true, 1, 1, Pin},
    {"transcript", true, 0, 0, Transcript},
    {"delete", true, 0, kAnyNumber, Delete},
};

}  // namespace

int RunSessions(Invocation invocation) {
  bool json = false;
  std::string state;
  SessionFlags session;
  FlagSet flags;
  flags.AddHeading("Flags:");
  flags.AddSwitch("json", &json, "print one JSON object: the session, the notes, the turns; delete: those deleted");
  flags.Add("state", &state, "STATE", "list only these: idle, waiting or running");
  flags.AddHeading("Flags of create (what is not given is the server's default, see perennial model):");
  session.AddTo(flags);
  int exit_code = kExitOk;
  auto positional = ParseFlags(flags, invocation, kHelp, exit_code);
  if (!positional.has_value()) return exit_code;

  const std::string name = positional->empty() ? "list" : positional->front();
  const auto* const verb =
      std::find_if(std::begin(kVerbs), std::end(kVerbs), [&](const Verb& one) { return one.name == name; });
  if (verb == std::end(kVerbs)) {
    std::vector<absl::string_view> names;
    for (const Verb& one : kVerbs) names.push_back(one.name);
    return UsageError(invocation, absl::StrCat("'", name, "' is not ", absl::StrJoin(names, ", ")));
  }
  std::vector<std::string> arguments(positional->begin() + std::min<size_t>(1, positional->size()), positional->end());
  std::string id;
  if (verb->takes_id) {
    if (arguments.empty()) {
      return UsageError(invocation, absl::StrCat("which session? perennial sessions ", name, " ID"));
    }
    id = arguments.front();
    arguments.erase(arguments.begin());
    if (absl::Status status = CheckUtf8("the session's id", id); !status.ok())
      return UsageError(invocation, status.message());
  }
  if (arguments.size() < verb->min_arguments) {
    return UsageError(invocation, absl::StrCat("which turn? perennial sessions ", name, " ID TURN"));
  }
  if (arguments.size() > verb->max_arguments) {
    return UsageError(invocation, absl::StrCat("too many arguments: ", absl::StrJoin(arguments, " ")));
  }
  if (name == "delete") {
    for (const std::string& one : arguments) {
      if (absl::Status status = CheckUtf8("the session's id", one); !status.ok())
        return UsageError(invocation, status.message());
    }
  }
  if (name != "create" && session.any_given()) {
    return UsageError(invocation, "the flags that make a session fit only perennial sessions create");
  }
  if (name != "list" && !state.empty()) return UsageError(invocation, "--state fits only perennial sessions list");

  const auto client = NewClient(invocation);
  if (client == nullptr) return kExitUsage;
  return verb->run({.invocation = invocation,
                    .client = *client,
                    .id = std::move(id),
                    .arguments = std::move(arguments),
                    .session = session,
                    .state = state,
                    .json = json});
}

}  // namespace perennial
