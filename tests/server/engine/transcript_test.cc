#include "server/engine/transcript.h"

#include <string>

#include "gtest/gtest.h"

namespace perennial {
namespace {

void Begin(Transcript& transcript, int64_t turn, const std::string& question) {
  transcript.BeginTurn(turn, {{Role::kUser, question}, {Role::kAssistant, ""}});
}

std::string TextOf(const Transcript& transcript) {
  std::string all;
  for (const TranscriptTurn& turn : transcript.turns()) {
    all += std::to_string(turn.turn) + (turn.truncated ? "!" : ":");
    for (const Message& message : turn.messages) all += message.text + "/";
    all += " ";
  }
  return all;
}

TEST(TranscriptTest, KeepsTheNewestTurns) {
  Transcript transcript(2, 1000);
  for (int turn = 1; turn <= 3; ++turn) {
    Begin(transcript, turn, "q" + std::to_string(turn));
    transcript.AddReply("a");
    transcript.AddReply("b");
  }
  EXPECT_EQ(TextOf(transcript), "2:q2/ab/ 3:q3/ab/ ");
  EXPECT_EQ(transcript.bytes(), 8);
  EXPECT_EQ(transcript.turns().back().messages.back().role, Role::kAssistant);
}

TEST(TranscriptTest, KeepsNothingUnlessAsked) {
  Transcript transcript;
  Begin(transcript, 1, "q");
  transcript.AddReply("a");
  transcript.Rewind(0);
  EXPECT_TRUE(transcript.turns().empty());
  EXPECT_EQ(transcript.bytes(), 0);
}

TEST(TranscriptTest, OlderTurnsGoBeforeTheNewestIsCut) {
  Transcript transcript(10, 10);
  Begin(transcript, 1, "abc");
  transcript.AddReply("def");
  Begin(transcript, 2, "ghi");
  transcript.AddReply("j");
  EXPECT_EQ(TextOf(transcript), "1:abc/def/ 2:ghi/j/ ");
  transcript.AddReply("k");
  EXPECT_EQ(TextOf(transcript), "2:ghi/jk/ ");
  transcript.AddReply("lmn");
  EXPECT_EQ(transcript.bytes(), 8);
  transcript.AddReply("opq");
  EXPECT_EQ(TextOf(transcript), "2!ghi/jklmnop/ ");
  transcript.AddReply("r");
  EXPECT_EQ(transcript.bytes(), 10);
}

TEST(TranscriptTest, CutsNoCharacter) {
  for (int64_t bytes = 0; bytes <= 4; ++bytes) {
    Transcript transcript(1, bytes);
    Begin(transcript, 1, "\xc3\xa4\xc3\xb6");
    EXPECT_EQ(transcript.bytes(), bytes / 2 * 2) << bytes;
    EXPECT_EQ(transcript.turns()[0].truncated, bytes < 4);
  }
}

TEST(TranscriptTest, ForgetsWhatWasRewound) {
  Transcript transcript(10, 100);
  for (int turn = 1; turn <= 4; ++turn) {
    transcript.BeginTurn(turn,
                         {{Role::kUser, "q"}, {Role::kAssistant, "a"}, {Role::kUser, "r"}, {Role::kAssistant, ""}});
  }
  const Transcript fork = transcript;
  transcript.Rewind(2);
  EXPECT_EQ(TextOf(transcript), "1:q/a/r// 2:q/a/r// ");
  Begin(transcript, 5, "z");
  EXPECT_EQ(transcript.bytes(), 7);
  EXPECT_EQ(fork.turns().size(), 4u);
}

}  // namespace
}  // namespace perennial
