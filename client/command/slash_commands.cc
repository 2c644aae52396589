#include "client/command/slash_commands.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/command/format.h"
#include "client/command/horizon_text.h"
#include "client/command/session_text.h"
#include "client/command/turn_flags.h"

namespace perennial {
namespace {

absl::Status Mistake(absl::string_view text) { return absl::InvalidArgumentError(text); }

// A number of a turn, or nothing for no argument.
absl::StatusOr<std::optional<int64_t>> TurnArgument(absl::string_view argument) {
  int64_t turn = 0;
  if (argument.empty()) return std::nullopt;
  if (absl::SimpleAtoi(argument, &turn)) return turn;
  return Mistake(absl::StrCat("'", argument, "' is not the number of a turn"));
}

}  // namespace

const SlashCommands::Command SlashCommands::kCommands[] = {
    {"/new", "[TEXT]", "start a new session; with TEXT as its system prompt", &SlashCommands::New},
    {"/system", "TEXT", "start a new session with this system prompt (/system alone shows it)", &SlashCommands::System},
    {"/session", "[ID]", "about this session; with ID: go on with that one", &SlashCommands::Session},
    {"/sessions", "", "all sessions of the server", &SlashCommands::Sessions},
    {"/horizon", "", "what is remembered: turns, tokens, how full the window is", &SlashCommands::Horizon},
    {"/note", "[TEXT]", "what is never forgotten: shows it, or replaces it by TEXT (\"\" empties it)",
     &SlashCommands::Note},
    {"/pin", "[TURN]", "keep a turn that is still remembered among the notes; default: the last", &SlashCommands::Pin},
    {"/fork", "", "go on in a copy; what is said from here on, the original does not know", &SlashCommands::Fork},
    {"/rewind", "[TURN]", "take back everything after this turn; -2: the last two; default: -1",
     &SlashCommands::Rewind},
    {"/attach", "[TURN]", "show a turn again, or follow one that runs; default: the last", &SlashCommands::Attach},
    {"/cancel", "", "end the turn of this session that runs in another client", &SlashCommands::Cancel},
    {"/transcript", "", "the texts so far, if the server keeps them", &SlashCommands::Transcript},
    {"/stats", "", "what the server is doing", &SlashCommands::Stats},
    {"/help", "", "this", &SlashCommands::ShowHelp},
    {"/quit", "", "leave (so does Ctrl-D)", &SlashCommands::Quit},
};

std::string SlashCommands::Help() {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const Command& command : kCommands) {
    lines.emplace_back(absl::StrCat(command.name, command.argument.empty() ? "" : " ", command.argument), command.help);
  }
  return absl::StrCat(Fields(lines),
                      "  Ctrl-C stops a reply. A line that ends with \\ goes on with the next one; Alt-Enter begins a "
                      "line, too.\n  A message that begins with a slash: write two.\n");
}

absl::Status SlashCommands::Run(absl::string_view line) {
  const size_t space = line.find_first_of(" \t\n");
  const absl::string_view argument =
      space == absl::string_view::npos ? absl::string_view() : absl::StripAsciiWhitespace(line.substr(space));
  absl::string_view name = line.substr(0, space);
  if (name == "/exit") name = "/quit";
  for (const Command& command : kCommands) {
    if (command.name != name) continue;
    if (command.argument.empty() && !argument.empty()) return Mistake(absl::StrCat(name, " takes no argument"));
    if (absl::Status status = CheckUtf8("what follows the command", argument); !status.ok()) return status;
    return (this->*command.run)(argument);
  }
  return Mistake(absl::StrCat("unknown command ", name, "; /help lists them"));
}

absl::Status SlashCommands::New(absl::string_view system_prompt) {
  v1::SessionConfig& config = session_.config();
  if (!system_prompt.empty()) {
    config.clear_history();
    v1::Message* message = config.add_history();
    message->set_role(v1::ROLE_SYSTEM);
    message->set_text(std::string(system_prompt));
  }
  const std::string before = session_.id();
  const bool made_before = session_.made_here();
  // The old one goes first: its cache may be the one that the new one needs.
  if (made_before) session_.DeleteCurrent();
  if (absl::Status status = session_.Create(); !status.ok()) return status;
  turns_.ForSession(session_.session());
  screen_.Notice(absl::StrCat("A new session", config.history().empty() ? "" : " with the system prompt given",
                              ". The model remembers nothing of the last one",
                              made_before ? "." : absl::StrCat(" (/session ", before, " goes back to it).")));
  return absl::OkStatus();
}

absl::Status SlashCommands::System(absl::string_view system_prompt) {
  if (!system_prompt.empty()) return New(system_prompt);
  const v1::SessionConfig& config = session_.config();
  screen_.Answer(config.history().empty() ? "No system prompt was given.\n"
                                          : absl::StrCat("System prompt: ", config.history(0).text(), "\n"));
  return absl::OkStatus();
}

absl::Status SlashCommands::Session(absl::string_view id) {
  if (!id.empty()) {
    if (absl::Status status = session_.GoOnWith(std::string(id)); !status.ok()) return status;
    turns_.ForSession(session_.session());
    screen_.Notice(absl::StrCat("This session goes on after ", CountText(session_.session().turns(), "turn", "turns"),
                                ": ", MemoryText(session_.session().memory())));
    return absl::OkStatus();
  }
  if (absl::Status status = session_.Refresh(); !status.ok()) return status;
  screen_.Answer(SessionFields(session_.session(), absl::Now()));
  return absl::OkStatus();
}

absl::Status SlashCommands::Sessions(absl::string_view) {
  const auto sessions = client_.ListSessions();
  if (!sessions.ok()) return sessions.status();
  screen_.Answer(SessionTable(*sessions, absl::Now()));
  return absl::OkStatus();
}

absl::Status SlashCommands::Horizon(absl::string_view) {
  if (absl::Status status = session_.Refresh(); !status.ok()) return status;
  screen_.Answer(HorizonText(session_.session()));
  return absl::OkStatus();
}

absl::Status SlashCommands::Note(absl::string_view text) {
  if (text.empty()) {
    if (absl::Status status = session_.Refresh(); !status.ok()) return status;
    screen_.Answer(NotesText(session_.session().notes()));
    return absl::OkStatus();
  }
  v1::SetNotesRequest request;
  request.set_session_id(session_.id());
  // An empty note takes the pinned turns with it: it is the way to begin anew.
  if (text != "\"\"") {
    request.set_text(std::string(text));
    request.set_keep_pinned_turns(true);
  }
  const auto notes = client_.SetNotes(request);
  if (!notes.ok()) return notes.status();
  screen_.Answer(NotesText(*notes));
  return absl::OkStatus();
}

absl::Status SlashCommands::Pin(absl::string_view argument) {
  const auto turn = TurnArgument(argument);
  if (!turn.ok()) return turn.status();
  if (!turn->has_value() && session_.newest_turn() == 0) return Mistake("there is no turn yet to pin");
  const auto notes = client_.PinTurn(session_.id(), turn->value_or(session_.newest_turn()));
  if (!notes.ok()) return notes.status();
  screen_.Answer(NotesText(*notes));
  return absl::OkStatus();
}

absl::Status SlashCommands::Fork(absl::string_view) {
  const std::string original = session_.id();
  if (absl::Status status = session_.Fork(); !status.ok()) return status;
  screen_.Answer(absl::StrCat("This is now a copy:  ", session_.id(), "\nThe original:        ", original,
                              "  (/session goes back to it)\n"));
  return absl::OkStatus();
}

absl::Status SlashCommands::Rewind(absl::string_view argument) {
  const auto turn = TurnArgument(argument);
  if (!turn.ok()) return turn.status();
  const int64_t wanted = turn->value_or(-1);
  if (wanted < 0 && session_.session().turns() == 0) return Mistake("there is no turn yet to take back");
  const int64_t to_turn = wanted < 0 ? session_.TurnBack(-wanted) : wanted;
  if (absl::Status status = session_.Rewind(to_turn); !status.ok()) return status;
  turns_.ForSession(session_.session());
  const v1::SessionMemory& memory = session_.session().memory();
  screen_.Answer(absl::StrCat("Back ",
                              to_turn == 0 ? "at the opening" : absl::StrCat("at the end of turn ", CountText(to_turn)),
                              "; what came later is unsaid. ", WindowText(memory), ".\n"));
  return absl::OkStatus();
}

absl::Status SlashCommands::Attach(absl::string_view argument) {
  const auto turn = TurnArgument(argument);
  if (!turn.ok()) return turn.status();
  if (!turn->has_value()) {
    // Another client's turn may have come.
    if (absl::Status status = session_.Refresh(); !status.ok()) return status;
    if (session_.last_turn() == 0) return Mistake("there is no turn yet to show");
  }
  return turns_.Follow(turn->value_or(session_.last_turn()));
}

absl::Status SlashCommands::Cancel(absl::string_view) {
  v1::CancelTurnRequest request;
  request.set_session_id(session_.id());
  const auto cancelled = client_.CancelTurn(request);
  if (!cancelled.ok()) return cancelled.status();
  screen_.Answer(*cancelled == 0 ? "No turn runs.\n"
                                 : absl::StrCat(CountText(*cancelled, "turn ends", "turns end"), ".\n"));
  return absl::OkStatus();
}

absl::Status SlashCommands::Transcript(absl::string_view) {
  const auto turns = client_.GetTranscript(session_.id());
  if (!turns.ok()) return turns.status();
  screen_.Answer(turns->empty() ? "The server has kept no texts of this session (its flag transcript_turns).\n"
                                : TranscriptText(*turns));
  return absl::OkStatus();
}

absl::Status SlashCommands::Stats(absl::string_view) {
  const auto stats = client_.GetStats();
  if (!stats.ok()) return stats.status();
  screen_.Answer(StatsText(*stats));
  return absl::OkStatus();
}

absl::Status SlashCommands::ShowHelp(absl::string_view) {
  screen_.Answer(Help());
  return absl::OkStatus();
}

absl::Status SlashCommands::Quit(absl::string_view) {
  leave_ = true;
  return absl::OkStatus();
}

}  // namespace perennial
