#include "client/command/history_file.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/command/child_process.h"

namespace perennial {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class HistoryFileTest : public testing::Test {
 protected:
  const std::string path_ = absl::StrCat(NewTestFolder(), "/a/b/chat_history");
};

TEST_F(HistoryFileTest, KeepsMessagesInOrder) {
  EXPECT_THAT(HistoryFile(path_).Load(), IsEmpty());
  for (const char* message : {"first", "two\nlines", "back\\slash and \\n", "Grüße 🙂"}) {
    EXPECT_TRUE(HistoryFile(path_).Append(message).ok());
  }
  EXPECT_THAT(HistoryFile(path_).Load(), ElementsAre("first", "two\nlines", "back\\slash and \\n", "Grüße 🙂"));
}

TEST_F(HistoryFileTest, IsForItsOwnerOnly) {
  ASSERT_TRUE(HistoryFile(path_).Append("secret").ok());
  struct stat attributes {};
  ASSERT_EQ(stat(path_.c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 0777, 0600U);
  ASSERT_EQ(stat(path_.substr(0, path_.rfind('/')).c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 0777, 0700U);

  ASSERT_EQ(chmod(path_.c_str(), 0644), 0);
  ASSERT_TRUE(HistoryFile(path_).Append("another").ok());
  ASSERT_EQ(stat(path_.c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 0777, 0600U);
}

TEST_F(HistoryFileTest, LoadsTheNewestAndTrimsALongFile) {
  ASSERT_TRUE(HistoryFile(path_).Append("0").ok());
  {
    std::ofstream file(path_, std::ios::app);
    for (size_t i = 1; i < 2 * HistoryFile::kMaxMessages; ++i) file << i << "\n";
  }
  for (int time = 0; time < 2; ++time) {
    const std::vector<std::string> messages = HistoryFile(path_).Load();
    ASSERT_THAT(messages, SizeIs(HistoryFile::kMaxMessages));
    EXPECT_EQ(messages.front(), "1000");
    EXPECT_EQ(messages.back(), "1999");
  }
  std::ifstream file(path_);
  std::string first;
  std::getline(file, first);
  EXPECT_EQ(first, "1000");
}

TEST_F(HistoryFileTest, WithoutAPathNothingIsKept) {
  EXPECT_TRUE(HistoryFile("").Append("secret").ok());
  EXPECT_THAT(HistoryFile("").Load(), IsEmpty());
}

TEST_F(HistoryFileTest, SaysWhatCannotBeWritten) {
  EXPECT_FALSE(HistoryFile("/dev/null/chat_history").Append("x").ok());
}

TEST_F(HistoryFileTest, LivesInTheStateFolder) {
  setenv("XDG_STATE_HOME", "/state", 1);
  setenv("HOME", "/home/ada", 1);
  EXPECT_EQ(HistoryFile::DefaultPath(), "/state/perennial/chat_history");
  setenv("XDG_STATE_HOME", "relative", 1);
  EXPECT_EQ(HistoryFile::DefaultPath(), "/home/ada/.local/state/perennial/chat_history");
  unsetenv("XDG_STATE_HOME");
  EXPECT_EQ(HistoryFile::DefaultPath(), "/home/ada/.local/state/perennial/chat_history");
  unsetenv("HOME");
  EXPECT_EQ(HistoryFile::DefaultPath(), "");
}

}  // namespace
}  // namespace perennial
