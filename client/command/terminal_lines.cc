#include "client/command/terminal_lines.h"

#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cwchar>
#include <utility>

#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

constexpr char kPasteBegins[] = "\\e[200~";  // as libedit's key bindings are written
constexpr wchar_t kPasteEnds[] = L"\033[201~";
constexpr char kAskForPasteMarks[] = "\033[?2004h";
constexpr char kNoPasteMarks[] = "\033[?2004l";
constexpr char kInvisible = '\1';  // in a prompt: around characters that take no room

}  // namespace

struct TerminalLines::Editor {
  explicit Editor(Interrupt& interrupt) : interrupt(interrupt) {}

  static Editor& Of(EditLine* line) {
    void* self = nullptr;
    el_get(line, EL_CLIENTDATA, &self);
    return *static_cast<Editor*>(self);
  }

  // ---- libedit's callbacks ----

  static char* Prompt(EditLine* line) { return Of(line).prompt.data(); }

  // The next character: 1, or 0 at the end, or -1 to give the line up.
  static int NextCharacter(EditLine* line, wchar_t* character) {
    Editor& self = Of(line);
    std::mbstate_t state{};
    while (true) {
      pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {self.interrupt.fd(), POLLIN, 0}};
      if (poll(fds, 2, -1) < 0 && errno != EINTR) return 0;
      if (fds[1].revents != 0 && self.interrupt.Clear()) {
        const LineInfo* typed = el_line(line);
        self.typed.assign(typed->buffer, typed->lastchar);
        self.interrupted = true;
        return -1;
      }
      if (fds[0].revents == 0) continue;
      char byte = 0;
      const ssize_t bytes = read(STDIN_FILENO, &byte, 1);
      if (bytes < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (bytes <= 0) return 0;
      const size_t result = std::mbrtowc(character, &byte, 1, &state);
      if (result == static_cast<size_t>(-2)) continue;  // more bytes follow
      if (result == static_cast<size_t>(-1)) {          // not UTF-8
        state = std::mbstate_t{};
        continue;
      }
      if (byte == '\0') continue;
      return 1;
    }
  }

  static unsigned char InsertLineFeed(EditLine* line, int) {
    el_insertstr(line, "\n");
    return CC_REFRESH;
  }

  static unsigned char Paste(EditLine* line, int) {
    const std::wstring_view end = kPasteEnds;
    std::wstring text;
    while (text.size() < end.size() || text.compare(text.size() - end.size(), end.size(), end) != 0) {
      wchar_t character = 0;
      if (el_wgetc(line, &character) != 1) return CC_EOF;
      text += character == L'\r' ? L'\n' : character;
    }
    text.resize(text.size() - end.size());
    if (!text.empty()) el_winsertstr(line, text.c_str());
    return CC_REFRESH;
  }

  // Constant after construction.
  Interrupt& interrupt;
  EditLine* line = nullptr;
  History* history = nullptr;

  // Of the current Read.
  std::string prompt;
  std::string typed;
  bool interrupted = false;
};

TerminalLines::TerminalLines(const Console& console, Interrupt& interrupt, HistoryFile history)
    : console_(console), history_(std::move(history)), editor_(std::make_unique<Editor>(interrupt)) {
  // What is typed is sent as UTF-8, so it is read as UTF-8.
  const char* locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || MB_CUR_MAX < 4) std::setlocale(LC_CTYPE, "C.UTF-8");

  editor_->history = history_init();
  HistEvent event;
  ::history(editor_->history, &event, H_SETSIZE, static_cast<int>(HistoryFile::kMaxMessages));
  ::history(editor_->history, &event, H_SETUNIQUE, 1);
  for (const std::string& message : history_.Load()) ::history(editor_->history, &event, H_ENTER, message.c_str());

  EditLine* line = el_init("perennial", stdin, stdout, stderr);
  editor_->line = line;
  el_set(line, EL_CLIENTDATA, editor_.get());
  el_set(line, EL_PROMPT_ESC, &Editor::Prompt, kInvisible);
  el_set(line, EL_EDITOR, "emacs");
  el_set(line, EL_HIST, ::history, editor_->history);
  el_wset(line, EL_GETCFN, &Editor::NextCharacter);
  el_set(line, EL_ADDFN, "insert-line-feed", "Line feed inside the message", &Editor::InsertLineFeed);
  el_set(line, EL_ADDFN, "paste", "Text pasted by the terminal", &Editor::Paste);
  el_set(line, EL_BIND, "\\e\\r", "insert-line-feed", nullptr);
  el_set(line, EL_BIND, "\\e\\n", "insert-line-feed", nullptr);
  el_set(line, EL_BIND, kPasteBegins, "paste", nullptr);
  el_set(line, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(line, nullptr);
}

TerminalLines::~TerminalLines() {
  el_end(editor_->line);
  history_end(editor_->history);
}

LineResult TerminalLines::Read(const std::string& prompt, std::string& line) {
  line.clear();
  editor_->prompt = prompt;
  if (console_.colours) {
    // Colour codes take no room on the line.
    const std::string mark(1, kInvisible);
    editor_->prompt = absl::StrCat(mark, "\033[1;36m", mark, prompt, mark, "\033[0m", mark);
  }
  editor_->interrupted = false;
  editor_->typed.clear();
  if (console_.moves_cursor) WriteOut(kAskForPasteMarks);
  el_resize(editor_->line);
  // Before the prompt is seen: what is typed then is the editor's already (a Ctrl-D would be lost).
  el_set(editor_->line, EL_PREP_TERM, 1);
  int characters = 0;
  const char* text = el_gets(editor_->line, &characters);
  if (console_.moves_cursor) WriteOut(kNoPasteMarks);
  if (text == nullptr || characters <= 0) {
    WriteOut("\n");
    if (!editor_->interrupted || editor_->interrupt.quit_requested()) return LineResult::kEnd;
    line = editor_->typed;
    return LineResult::kInterrupted;
  }
  line.assign(text);
  if (!line.empty() && line.back() == '\n') line.pop_back();
  return LineResult::kLine;
}

void TerminalLines::Remember(const std::string& message) {
  HistEvent event;
  ::history(editor_->history, &event, H_ENTER, message.c_str());
  const absl::Status status = history_.Append(message);
  if (!status.ok() && !history_failed_) ReportError(status.message(), console_);
  history_failed_ = !status.ok();
}

}  // namespace perennial
