#include "client/command/chat_session.h"

#include "client/error_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_chat_service.h"

namespace perennial {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class ChatSessionTest : public testing::Test {
 protected:
  // Says something, as a chat or as another client.
  int64_t Say() {
    v1::ChatRequest request;
    request.set_session_id(session_.id());
    request.set_message("Hello");
    int64_t turn = 0;
    EXPECT_TRUE(client_->Chat(request, [&](const v1::TurnEvent& event) { turn = event.turn(); }).ok());
    return turn;
  }

  FakeChatService& service() { return server_.service(); }

  FakeChatServer server_;
  std::unique_ptr<ChatClient> client_ = *ChatClient::Create({.server = server_.address()});
  ChatSession session_{*client_, {}, std::nullopt};
};

TEST_F(ChatSessionTest, NewSessionsGetANoteBudgetThatFits) {
  ASSERT_TRUE(session_.Create().ok());
  EXPECT_EQ(session_.session().notes().budget_tokens(), 64) << "an eighth of the cache";
  session_.config().set_cache_tokens(4096);
  ASSERT_TRUE(session_.Create().ok());
  EXPECT_EQ(session_.session().notes().budget_tokens(), kDefaultNoteTokens);
  service().SetMaxNoteTokens(0);
  ASSERT_TRUE(session_.Create().ok());
  EXPECT_EQ(session_.session().notes().budget_tokens(), 0);
}

TEST_F(ChatSessionTest, ABudgetThatWasAskedForIsNotChanged) {
  ChatSession asked(*client_, {}, 100);
  ASSERT_TRUE(asked.Create().ok());
  EXPECT_EQ(asked.session().notes().budget_tokens(), 100);
  service().SetMaxNoteTokens(50);
  EXPECT_EQ(ErrorReason(asked.Create()), "INVALID_FIELD");
}

TEST_F(ChatSessionTest, KnowsItsTurnsAcrossRewinds) {
  ASSERT_TRUE(session_.Create().ok());
  EXPECT_EQ(session_.newest_turn(), 0);
  EXPECT_EQ(session_.TurnBack(1), 0);
  for (int i = 0; i < 3; ++i) session_.NoteTurn(Say(), /*kept=*/true);
  EXPECT_EQ(session_.newest_turn(), 3);
  ASSERT_TRUE(session_.Rewind(session_.TurnBack(2)).ok());
  EXPECT_EQ(session_.newest_turn(), 1);
  EXPECT_EQ(session_.last_turn(), 3);
  session_.NoteTurn(Say(), true);
  EXPECT_EQ(session_.newest_turn(), 4) << "numbers are not used twice";
  EXPECT_EQ(session_.TurnBack(1), 1);
  EXPECT_EQ(session_.TurnBack(2), 0);
  EXPECT_EQ(session_.TurnBack(9), 0);
}

TEST_F(ChatSessionTest, ATurnWithoutATraceOnlyTakesItsNumber) {
  ASSERT_TRUE(session_.Create().ok());
  session_.NoteTurn(Say(), true);
  session_.NoteTurn(2, /*kept=*/false);
  EXPECT_EQ(session_.last_turn(), 2);
  EXPECT_EQ(session_.newest_turn(), 1);
}

TEST_F(ChatSessionTest, JoinsASessionAndNoticesOtherClients) {
  ASSERT_TRUE(session_.Create().ok());
  Say();
  Say();
  ChatSession joined(*client_, {}, std::nullopt);
  ASSERT_TRUE(joined.GoOnWith(session_.id()).ok());
  EXPECT_EQ(joined.last_turn(), 2);
  EXPECT_EQ(joined.TurnBack(1), 1);
  Say();
  EXPECT_EQ(ErrorReason(joined.Rewind(1)), "STALE_TURN");
  ASSERT_TRUE(joined.Refresh().ok());
  EXPECT_EQ(joined.last_turn(), 3);
  EXPECT_TRUE(joined.Rewind(1).ok());
  EXPECT_FALSE(joined.made_here());
}

TEST_F(ChatSessionTest, ForksAndDeletesWhatItMade) {
  ASSERT_TRUE(session_.Create().ok());
  const std::string original = session_.id();
  session_.NoteTurn(Say(), true);
  ASSERT_TRUE(session_.Fork().ok());
  EXPECT_NE(session_.id(), original);
  EXPECT_EQ(session_.newest_turn(), 1);
  EXPECT_THAT(service().sessions(), SizeIs(2));
  ASSERT_TRUE(session_.GoOnWith(original).ok());
  EXPECT_TRUE(session_.made_here());
  session_.DeleteAll();
  EXPECT_THAT(service().sessions(), IsEmpty());
}

TEST_F(ChatSessionTest, AnErrorLeavesItWhereItWas) {
  ASSERT_TRUE(session_.Create().ok());
  const std::string id = session_.id();
  EXPECT_EQ(ErrorReason(session_.GoOnWith("beef")), "SESSION_NOT_FOUND");
  EXPECT_EQ(session_.id(), id);
}

}  // namespace
}  // namespace perennial
