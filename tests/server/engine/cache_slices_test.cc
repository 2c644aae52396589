#include "server/engine/cache_slices.h"

#include <algorithm>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fake_model_runner.h"

namespace perennial {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const CacheShape kShape = {.sink_tokens = 3, .note_tokens = 4, .window_tokens = 10};

SinkWindow WindowAfter(int64_t tokens) {
  SinkWindow window(kShape, EvictionPolicy::kTokenWise);
  window.Advance(tokens);
  return window;
}

TEST(CacheSlicesTest, AnEmptyCacheHasNoSlots) { EXPECT_THAT(ValidSlots(WindowAfter(0), 0), IsEmpty()); }

TEST(CacheSlicesTest, SinksNotesAndWindow) {
  EXPECT_THAT(ValidSlots(WindowAfter(2), 1), ElementsAre(SlotRange{0, 2}, SlotRange{3, 1}));
  EXPECT_THAT(ValidSlots(WindowAfter(5), 0), ElementsAre(SlotRange{0, 3}, SlotRange{7, 2}));
  EXPECT_THAT(ValidSlots(WindowAfter(5), 2), ElementsAre(SlotRange{0, 5}, SlotRange{7, 2})) << "neighbours join";
  EXPECT_THAT(ValidSlots(WindowAfter(17), 4), ElementsAre(SlotRange{0, 17}));
}

TEST(CacheSlicesTest, AWindowThatBeginsInsideTheRingIsTwoRanges) {
  SinkWindow window = WindowAfter(17);  // 3 … 12 in the ring, then 13 … 16 over the oldest
  EXPECT_EQ(window.horizon(), 7);
  window.Rewind(15);  // 7 … 14 are left; slots of 15 and 16 are free
  EXPECT_THAT(ValidSlots(window, 0), ElementsAre(SlotRange{0, 3}, SlotRange{7, 2}, SlotRange{11, 6}));
}

TEST(CacheSlicesTest, ExactlyWhatTheWindowShows) {
  for (int64_t tokens = 0; tokens < 40; ++tokens) {
    for (int64_t back = tokens; back >= 0 && WindowAfter(tokens).CanRewind(back); --back) {
      SinkWindow window = WindowAfter(tokens);
      window.Rewind(back);
      std::set<int32_t> expected;
      for (int64_t t = 0; t < std::min<int64_t>(back, kShape.sink_tokens); ++t) expected.insert(SlotOf(kShape, t));
      for (int64_t t = window.horizon(); t < back; ++t) expected.insert(SlotOf(kShape, t));
      std::set<int32_t> slots;
      for (const SlotRange& range : ValidSlots(window, 0)) {
        for (int32_t i = 0; i < range.num_slots; ++i) EXPECT_TRUE(slots.insert(range.first_slot + i).second);
      }
      EXPECT_EQ(slots, expected) << tokens << " back to " << back;
    }
  }
}

TEST(CacheSlicesTest, SlicesKeepToTheirSizeAndFollowEachOther) {
  FakeModelRunner runner;
  const auto cache = *runner.NewCache(kShape);
  const std::vector<SlotRange> ranges = {{0, 3}, {7, 10}};
  for (const int64_t slots : {1, 2, 4, 100}) {
    int64_t offset = 0;
    int32_t total = 0;
    for (const CacheSlice& slice : CutSlices(runner, *cache, ranges, slots * FakeModelRunner::kRowBytes + 5)) {
      EXPECT_LE(slice.slots.num_slots, slots);
      EXPECT_EQ(slice.offset, offset);
      EXPECT_EQ(slice.bytes, slice.slots.num_slots * FakeModelRunner::kRowBytes);
      offset += slice.bytes;
      total += slice.slots.num_slots;
    }
    EXPECT_EQ(total, 13);
  }
  EXPECT_EQ(CutSlices(runner, *cache, ranges, 1).size(), 13u) << "a slot at least";
  EXPECT_EQ(TotalBytes(CutSlices(runner, *cache, ranges, 40)), 13 * FakeModelRunner::kRowBytes);
  EXPECT_EQ(TotalBytes({}), 0);
}

}  // namespace
}  // namespace perennial
