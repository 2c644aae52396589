#include "server/engine/note_book.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/error.h"

namespace perennial {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(NoteBookTest, HoldsTheTextAndThePinnedTurnsInTheirOrder) {
  NoteBook notes(10);
  EXPECT_FALSE(notes.due());
  ASSERT_TRUE(notes.Write({.text = "text", .tokens = {1, 2}}).ok());
  ASSERT_TRUE(notes.Pin(7, {5, 6}).ok());
  ASSERT_TRUE(notes.Pin(3, {3, 4}).ok());
  EXPECT_THAT(notes.Tokens(), ElementsAre(1, 2, 3, 4, 5, 6));
  const SessionNotes described = notes.Describe();
  EXPECT_EQ(described.text, "text");
  EXPECT_THAT(described.pinned_turns, ElementsAre(3, 7));
  EXPECT_EQ(described.tokens, 6);
  EXPECT_EQ(described.budget_tokens, 10);
  ASSERT_TRUE(notes.Write({.text = "other", .tokens = {9}, .keep_pinned_turns = true}).ok());
  EXPECT_THAT(notes.Tokens(), ElementsAre(9, 3, 4, 5, 6));
  ASSERT_TRUE(notes.Write({}).ok());
  EXPECT_THAT(notes.Tokens(), IsEmpty());
  EXPECT_THAT(notes.Describe().pinned_turns, IsEmpty());
}

TEST(NoteBookTest, RefusesWhatIsMoreThanTheBudgetAndStaysAsItWas) {
  NoteBook notes(4);
  ASSERT_TRUE(notes.Write({.text = "a", .tokens = {1, 2}}).ok());
  ASSERT_TRUE(notes.Pin(1, {3, 4}).ok());
  notes.WasWritten();
  absl::Status status = notes.Write({.text = "b", .tokens = {5, 6, 7}, .keep_pinned_turns = true});
  EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField);
  EXPECT_EQ(status.message(),
            "text: 3 tokens, with 2 of pinned turns, are more than the session's budget of 4 (note_tokens)");
  status = notes.Pin(2, {8});
  EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField);
  EXPECT_EQ(status.message(),
            "turn: its 1 tokens, with 4 in use, are more than the session's budget of 4 (note_tokens)");
  EXPECT_THAT(notes.Tokens(), ElementsAre(1, 2, 3, 4));
  EXPECT_FALSE(notes.due());
  EXPECT_TRUE(notes.Pin(1, {3, 4}).ok()) << "pinned already";
  EXPECT_FALSE(notes.due());
  EXPECT_TRUE(notes.Write({.text = "b", .tokens = {5, 6, 7}}).ok()) << "the pinned turn goes";
  EXPECT_TRUE(notes.due());
}

TEST(NoteBookTest, IsDueUntilItIsInTheCacheAndAgainWithoutItsSinks) {
  NoteBook notes(4);
  notes.SinksWereTakenBack();
  EXPECT_FALSE(notes.due()) << "there is nothing to write";
  ASSERT_TRUE(notes.Write({.text = "a", .tokens = {1}}).ok());
  EXPECT_TRUE(notes.due());
  notes.WasWritten();
  EXPECT_FALSE(notes.due());
  notes.SinksWereTakenBack();
  EXPECT_TRUE(notes.due());
}

}  // namespace
}  // namespace perennial
