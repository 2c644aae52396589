#include "server/engine/cache_mover.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/engine/host_memory_store.h"
#include "tests/fake_model_runner.h"

namespace perennial {
namespace {

const CacheShape kShape = {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 8};

class CacheMoverTest : public testing::Test {
 protected:
  // A session that has been fed `tokens` tokens.
  std::unique_ptr<LiveSession> Session(int64_t tokens) {
    SessionSpec spec;
    spec.shape = kShape;
    auto session = std::make_unique<LiveSession>("id", std::move(spec), Transcript(), runner_.CacheBytes(kShape), false,
                                                 absl::UnixEpoch());
    session->cache = *runner_.NewCache(kShape);
    for (int64_t t = 0; t < tokens; ++t) Feed(*session, static_cast<TokenId>(t));
    return session;
  }
  void Feed(LiveSession& session, TokenId token) {
    const std::vector<int64_t> begin = session.window.Advance(1);
    const StepInput input = {.cache = session.cache.get(), .tokens = {&token, 1}, .window_begin = begin};
    ASSERT_TRUE(runner_.Step({&input, 1}, output_).ok());
  }
  std::vector<float> Next(LiveSession& session) {
    Feed(session, 99);
    return output_.logits;
  }
  std::unique_ptr<ParkedBytes> Room(const LiveSession& session) {
    return *store_.Create(TotalBytes(mover_.SlicesOf(session)));
  }
  // Passes until nothing is moved.
  int RunAll() {
    int passes = 0;
    for (bool copied = true; !mover_.idle(); ++passes) {
      for (const CacheMover::EndedMove& move : mover_.Run(copied)) EXPECT_TRUE(move.status.ok());
      EXPECT_TRUE(copied);
    }
    return passes;
  }

  FakeModelRunner runner_;
  HostMemoryStore store_{1000};
  CacheMover mover_{&runner_, 3 * FakeModelRunner::kRowBytes};
  StepOutput output_;
};

TEST_F(CacheMoverTest, ParksAndResumesInSlices) {
  for (int64_t tokens = 0; tokens < 30; ++tokens) {
    const std::unique_ptr<LiveSession> session = Session(tokens);
    const std::unique_ptr<LiveSession> twin = Session(tokens);
    mover_.Park(session.get(), Room(*session));
    EXPECT_EQ(session->moves, 1);
    EXPECT_EQ(mover_.coming_free_bytes(), session->reserved_bytes);
    const int passes = RunAll();
    if (tokens >= 10) {
      EXPECT_GE(passes, 4);
    }
    EXPECT_EQ(session->cache, nullptr);
    ASSERT_NE(session->parked, nullptr);
    EXPECT_EQ(session->moves, 0);
    mover_.Resume(session.get(), *runner_.NewCache(kShape));
    RunAll();
    EXPECT_EQ(session->parked, nullptr);
    EXPECT_EQ(store_.used_bytes(), 0);
    EXPECT_EQ(Next(*session), Next(*twin)) << tokens;
  }
}

// A turn that is undone can leave a stream of which nothing can be read.
TEST_F(CacheMoverTest, KeepsThePlaceInAStreamWithoutASlotToRead) {
  SessionSpec spec;
  spec.shape = {.sink_tokens = 0, .note_tokens = 0, .window_tokens = 8};
  LiveSession session("id", spec, Transcript(), runner_.CacheBytes(spec.shape), false, absl::UnixEpoch());
  session.cache = *runner_.NewCache(spec.shape);
  for (TokenId token = 0; token < 20; ++token) Feed(session, token);
  session.window.Undo(5, 0);
  ASSERT_TRUE(runner_.Truncate(*session.cache, 5).ok());
  mover_.Park(&session, Room(session));
  RunAll();
  EXPECT_EQ(store_.used_bytes(), 0);
  mover_.Resume(&session, *runner_.NewCache(spec.shape));
  RunAll();
  EXPECT_EQ(session.cache->num_tokens(), 5);
  Feed(session, 1);
}

TEST_F(CacheMoverTest, ForksEveryWay) {
  for (const bool from_parked : {false, true}) {
    for (const bool to_parked : {false, true}) {
      const std::unique_ptr<LiveSession> source = Session(17);
      if (from_parked) {
        mover_.Park(source.get(), Room(*source));
        RunAll();
      }
      const std::unique_ptr<LiveSession> fork = Session(17);
      fork->cache.reset();
      mover_.Fork(source.get(), fork.get(), to_parked ? nullptr : *runner_.NewCache(kShape),
                  to_parked ? Room(*source) : nullptr);
      RunAll();
      EXPECT_EQ(fork->parked != nullptr, to_parked);
      for (LiveSession* session : {source.get(), fork.get()}) {
        if (session->parked == nullptr) continue;
        mover_.Resume(session, *runner_.NewCache(kShape));
        RunAll();
      }
      EXPECT_EQ(Next(*source), Next(*fork));
    }
  }
}

TEST_F(CacheMoverTest, AnAbortedMoveLeavesWhatWas) {
  const std::unique_ptr<LiveSession> session = Session(17);
  const std::unique_ptr<LiveSession> twin = Session(17);
  mover_.Park(session.get(), Room(*session));
  bool copied = false;
  EXPECT_TRUE(mover_.Run(copied).empty());
  mover_.Abort(session.get());
  EXPECT_EQ(session->moves, 0);
  EXPECT_EQ(store_.used_bytes(), 0);
  EXPECT_TRUE(mover_.idle());
  EXPECT_EQ(Next(*session), Next(*twin));
}

}  // namespace
}  // namespace perennial
