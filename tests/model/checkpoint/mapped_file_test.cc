#include "model/checkpoint/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "tests/model/checkpoint/expect_error.h"

namespace perennial {
namespace {

std::string WriteFile(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

TEST(MappedFileTest, ShowsTheFilesBytes) {
  const auto file = MappedFile::Open(WriteFile("mapped", "some bytes"));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->bytes().size(), 10u);
  EXPECT_EQ(std::memcmp(file->bytes().data(), "some bytes", 10), 0);
}

TEST(MappedFileTest, KeepsBytesInPlaceWhenMoved) {
  auto file = MappedFile::Open(WriteFile("moved", "some bytes"));
  const std::byte* const start = file->bytes().data();
  MappedFile other = *std::move(file);
  EXPECT_EQ(other.bytes().data(), start);
  auto second = MappedFile::Open(WriteFile("second", "others"));
  other = *std::move(second);
  EXPECT_EQ(std::memcmp(other.bytes().data(), "others", 6), 0);
}

TEST(MappedFileTest, SurvivesTheFilesRemoval) {
  const std::string path = WriteFile("removed", "still here");
  const auto file = MappedFile::Open(path);
  std::filesystem::remove(path);
  EXPECT_EQ(std::memcmp(file->bytes().data(), "still here", 10), 0);
}

TEST(MappedFileTest, RefusesWhatIsNoFile) {
  ExpectError(MappedFile::Open("/no/such/file").status(), absl::StatusCode::kNotFound, "/no/such/file: cannot open");
  ExpectInvalid(MappedFile::Open(testing::TempDir()).status(), "not a regular file");
  ExpectInvalid(MappedFile::Open(WriteFile("empty", "")).status(), "the file is empty");
  const std::string pipe = testing::TempDir() + "/pipe";
  std::filesystem::remove(pipe);
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  ExpectInvalid(MappedFile::Open(pipe).status(), "not a regular file");  // and does not wait for a writer
}

}  // namespace
}  // namespace perennial
