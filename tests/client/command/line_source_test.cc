#include "client/command/line_source.h"

#include <signal.h>
#include <unistd.h>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

class PipedLinesTest : public testing::Test {
 protected:
  PipedLinesTest() { EXPECT_EQ(pipe(fds_), 0); }
  ~PipedLinesTest() override {
    close(fds_[0]);
    if (fds_[1] >= 0) close(fds_[1]);
  }

  void Write(absl::string_view text) {
    EXPECT_EQ(write(fds_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void Close() {
    close(fds_[1]);
    fds_[1] = -1;
  }

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

  int fds_[2] = {-1, -1};
  Interrupt interrupt_;
  PipedLines lines_{fds_[0], interrupt_};
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
