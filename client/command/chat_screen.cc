#include "client/command/chat_screen.h"

#include "absl/strings/str_cat.h"
#include "client/command/utf8.h"

namespace perennial {

void ChatScreen::Notice(absl::string_view text) const {
  if (interactive_) WriteOut(absl::StrCat(Styled(TerminalSafe(text), Style::kDim, console_.colours), "\n"));
}

void ChatScreen::Answer(absl::string_view lines) const {
  WriteOut(interactive_ ? Styled(TerminalSafe(lines), Style::kDim, console_.colours) : std::string(lines));
}

void ChatScreen::Status(const std::string& line) const {
  if (!show_status_) return;
  if (interactive_) {
    Notice(line);
    WriteOut("\n");
  } else {
    WriteError(absl::StrCat(line, "\n"));
  }
}

void ChatScreen::Warn(const std::string& text) const {
  if (interactive_) {
    WriteOut(absl::StrCat(Styled(absl::StrCat("Note: ", text), Style::kWarning, console_.colours), "\n"));
  } else {
    WriteError(absl::StrCat("perennial: note: ", text, "\n"));
  }
}

}  // namespace perennial
