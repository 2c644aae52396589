#include "client/command/line_source.h"

#include <signal.h>
#include <unistd.h>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

struct Pipe {
  Pipe() { EXPECT_EQ(pipe(fds), 0); }
  ~Pipe() {
    close(fds[0]);
    CloseWriter();
  }
  void CloseWriter() {
    if (fds[1] >= 0) close(fds[1]);
    fds[1] = -1;
  }
  int fds[2] = {-1, -1};
};

class PipedLinesTest : public testing::Test {
 protected:
  void Write(absl::string_view text) {
    EXPECT_EQ(write(pipe_.fds[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void Close() { pipe_.CloseWriter(); }

  // The next line, or "(end)" or "(interrupted)".
  std::string Next() {
    std::string line;
    switch (lines_.Read("> ", line)) {
      case LineResult::kLine:
        return line;
      case LineResult::kEnd:
        return "(end)";
      case LineResult::kInterrupted:
        return "(interrupted)";
    }
    return "";
  }

  Pipe pipe_;
  Interrupt interrupt_;
  PipedLines lines_{pipe_.fds[0], interrupt_};
};

TEST_F(PipedLinesTest, ReturnsLinesAsTheyCome) {
  Write("one\n\ntw");
  EXPECT_EQ(Next(), "one");
  EXPECT_EQ(Next(), "");
  Write("o\n");
  EXPECT_EQ(Next(), "two");
}

TEST_F(PipedLinesTest, ALastLineNeedsNoLineFeed) {
  Write("one\ntwo");
  Close();
  EXPECT_EQ(Next(), "one");
  EXPECT_EQ(Next(), "two");
  EXPECT_EQ(Next(), "(end)");
  EXPECT_EQ(Next(), "(end)");
}

TEST_F(PipedLinesTest, LinesMayBeLong) {
  std::string line(20'000, 'x');
  Write(line);
  Write("\n");
  EXPECT_EQ(Next(), line);
}

TEST_F(PipedLinesTest, SignalsEndTheWait) {
  raise(SIGINT);
  EXPECT_EQ(Next(), "(interrupted)");
  raise(SIGTERM);
  EXPECT_EQ(Next(), "(end)");
}

}  // namespace
}  // namespace perennial
