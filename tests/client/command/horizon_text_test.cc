#include "client/command/horizon_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_turn.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

v1::Session ForgetfulSession() {
  v1::Session session;
  session.set_turns(14);
  session.set_last_turn(15);
  *session.mutable_memory() = ForgetfulFinishedEvent().finished().memory();
  session.mutable_memory()->set_window_tokens_used(254);
  session.mutable_notes()->set_budget_tokens(128);
  session.mutable_notes()->set_tokens(7);
  return session;
}

TEST(HorizonTextTest, SaysWhatIsRememberedAndHowFullTheWindowIs) {
  EXPECT_EQ(HorizonText(ForgetfulSession()),
            "  remembers  from turn 12 on (token 4,612 of 5,120); the newest is turn 15\n"
            "  window     ██████████░░░░░░░░░░  254 of 508 tokens\n"
            "  pinned     the first 4 tokens, for ever\n"
            "  notes      7 of 128 tokens (/note)\n"
            "  forgotten  4,608 tokens: turns 1–11\n");
}

TEST(HorizonTextTest, BeforeAnythingIsForgotten) {
  v1::Session session = ForgetfulSession();
  session.mutable_memory()->set_forgotten_tokens(0);
  session.clear_notes();
  EXPECT_THAT(HorizonText(session), HasSubstr("remembers  everything\n"));
  EXPECT_THAT(HorizonText(session), HasSubstr("forgotten  0 tokens\n"));
  session.set_turns(0);
  EXPECT_THAT(HorizonText(session), HasSubstr("remembers  nothing was said yet\n"));
  EXPECT_THAT(HorizonText(v1::Session()), HasSubstr("0 of 0 tokens\n"));
}

TEST(HorizonTextTest, NotesTellTheirBudget) {
  EXPECT_EQ(NotesText({}), "This session was made without notes (perennial chat --note_tokens=N).\n");
  v1::Notes notes;
  notes.set_budget_tokens(128);
  EXPECT_EQ(NotesText(notes), "  notes  0 of 128 tokens\n  text   none\n");
  notes.set_tokens(40);
  notes.add_pinned_turns(3);
  notes.add_pinned_turns(5);
  notes.set_text("Ada\033, 36");
  EXPECT_EQ(NotesText(notes),
            "  notes         40 of 128 tokens\n  pinned turns  3, 5\n  text          Ada\xEF\xBF\xBD, 36\n");
}

TEST(HorizonTextTest, TranscriptsSayWhatIsForgotten) {
  v1::TranscriptTurn turn;
  turn.set_turn(3);
  turn.set_forgotten(true);
  turn.set_truncated(true);
  v1::Message* message = turn.add_messages();
  message->set_role(v1::ROLE_USER);
  message->set_text("Hello");
  message = turn.add_messages();
  message->set_role(v1::ROLE_ASSISTANT);
  message->set_text("Hi");
  EXPECT_EQ(TranscriptText({turn}), "── turn 3, forgotten, not whole ──\nyou: Hello\nreply: Hi\n");
}

TEST(HorizonTextTest, MarksSayWhereMemoryBegins) {
  v1::Evicted evicted = EvictedEvent(1, 6).evicted();
  EXPECT_EQ(MemoryMark(evicted), "── memory now begins at turn 7 ──");
  evicted.mutable_memory()->set_horizon_turn(6);
  EXPECT_EQ(MemoryMark(evicted), "── memory now begins within turn 6 ──");
  evicted.set_reason(v1::EVICTION_REASON_UNDONE_TURN);
  EXPECT_EQ(MemoryMark(evicted),
            "── the turn was undone, but had pushed out older ones: memory now begins within turn 6 ──");
  evicted.mutable_memory()->set_horizon_turn(0);
  evicted.set_reason(v1::EVICTION_REASON_WINDOW_FULL);
  EXPECT_EQ(MemoryMark(evicted), "── memory now begins within the opening ──");
}

TEST(HorizonTextTest, WarningsSayHowMuchIsLeft) {
  EXPECT_EQ(MemoryWarning(WillEvictEvent(60, 1, 2).will_evict()),
            "── 60 more tokens, and turns 1–2 are forgotten; /note keeps what must stay ──");
  EXPECT_EQ(MemoryWarning(WillEvictEvent(1, 3, 3).will_evict()),
            "── 1 more token, and turn 3 is forgotten; /note keeps what must stay ──");
}

}  // namespace
}  // namespace perennial
