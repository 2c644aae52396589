// Plans are carried out on a cache that holds token names instead of keys, and compared with the definition: every row
// sees exactly the tokens, at exactly the distances, that it must.

#include "model/torch/attention_plan.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace perennial {
namespace {

constexpr int64_t kNothing = -1000;
constexpr int64_t kFirstNote = 1'000'000;  // name of note 0; stream tokens are named by their index

using Seen = std::map<int64_t, int64_t>;  // name -> distance inside the cache

class PlanWorld {
 public:
  PlanWorld(const CacheShape& shape, int32_t layer_window)
      : shape_(shape), layer_window_(layer_window), slots_(static_cast<size_t>(shape.capacity()), kNothing) {}

  // Carries out a plan. `names` are the rows' tokens. Returns what each row sees.
  std::vector<Seen> Run(const AttentionPlan& plan, const std::vector<int64_t>& names) {
    Write(plan.writes_before, names);
    std::vector<int64_t> keys;
    std::vector<bool> by_place;
    for (const KeyRun& run : plan.runs) {
      for (int32_t slot = run.first_slot; slot < run.first_slot + run.num_slots; ++slot) {
        keys.push_back(slots_[static_cast<size_t>(slot)]);
        by_place.push_back(run.by_place);
      }
    }
    for (int32_t row = plan.first_own_row; row < plan.num_rows(); ++row) {
      keys.push_back(names[static_cast<size_t>(row)]);
      by_place.push_back(false);
    }
    EXPECT_EQ(keys.size(), static_cast<size_t>(plan.num_keys()));
    std::vector<Seen> seen(names.size());
    for (size_t row = 0; row < names.size(); ++row) {
      for (size_t column = 0; column < keys.size(); ++column) {
        if (!plan.mask.empty() && plan.mask[row * keys.size() + column] != 0.0f) continue;
        EXPECT_NE(keys[column], kNothing) << "an empty slot is seen";
        const int64_t query = by_place[column] ? plan.places[row] : plan.indices[row];
        if (!plan.distances.empty()) {
          EXPECT_EQ(plan.distances[row * keys.size() + column], static_cast<float>(query - RotationOf(keys[column])));
        }
        const bool fresh = seen[row].emplace(keys[column], query - RotationOf(keys[column])).second;
        EXPECT_TRUE(fresh) << keys[column] << " is seen twice";
      }
    }
    Write(plan.writes_after, names);
    return seen;
  }

  // The definition, for stream token t.
  Seen StreamToken(int64_t t, int64_t begin, int32_t num_notes) const {
    Seen seen;
    const int64_t sinks = shape_.sink_tokens;
    if (t < sinks) {
      for (int64_t u = 0; u <= t; ++u) seen[u] = t - u;
    } else {
      const int64_t place = sinks + num_notes + t - begin;
      for (int64_t u = 0; u < sinks; ++u) seen[u] = place - u;
      for (int64_t i = 0; i < num_notes; ++i) seen[kFirstNote + i] = place - sinks - i;
      for (int64_t u = begin; u <= t; ++u) seen[u] = t - u;
    }
    return Near(seen);
  }

  Seen Note(int64_t i, int64_t num_tokens) const {
    Seen seen;
    const int64_t place = shape_.sink_tokens + i;
    for (int64_t u = 0; u < std::min<int64_t>(num_tokens, shape_.sink_tokens); ++u) seen[u] = place - u;
    for (int64_t j = 0; j <= i; ++j) seen[kFirstNote + j] = i - j;
    return Near(seen);
  }

 private:
  // Keys are rotated once: a note's by its place, a stream token's by its index.
  int64_t RotationOf(int64_t name) const { return name >= kFirstNote ? shape_.sink_tokens + name - kFirstNote : name; }

  Seen Near(Seen seen) const {
    if (layer_window_ == 0) return seen;
    std::erase_if(seen, [&](const auto& entry) { return entry.second >= layer_window_; });
    return seen;
  }

  void Write(const std::vector<AttentionPlan::Write>& writes, const std::vector<int64_t>& names) {
    for (const AttentionPlan::Write& write : writes) {
      slots_[static_cast<size_t>(write.slot)] = names[static_cast<size_t>(write.row)];
    }
  }

  const CacheShape shape_;
  const int32_t layer_window_;
  std::vector<int64_t> slots_;
};

// Feeds 40 tokens in random chunks under random valid window begins, with the notes rewritten now and then.
void RunRandomWorld(const CacheShape& shape, int32_t layer_window, uint32_t seed) {
  SCOPED_TRACE(testing::Message() << "S " << shape.sink_tokens << " N " << shape.note_tokens << " W "
                                  << shape.window_tokens << " w " << layer_window << " seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](int64_t limit) { return static_cast<int64_t>(random() % static_cast<uint64_t>(limit)); };
  PlanWorld world(shape, layer_window);
  const PlanOptions options = {.layer_window = layer_window, .distances = seed % 2 == 0};
  int64_t num_tokens = 0;
  int64_t begin = shape.sink_tokens;
  int32_t num_notes = 0;
  while (num_tokens < 40) {
    if (shape.note_tokens > 0 && below(3) == 0) {
      num_notes = static_cast<int32_t>(1 + below(shape.note_tokens));
      std::vector<int64_t> names;
      for (int64_t i = 0; i < num_notes; ++i) names.push_back(kFirstNote + i);
      const std::vector<Seen> seen = world.Run(PlanNotes(shape, num_tokens, num_notes, options), names);
      for (int64_t i = 0; i < num_notes; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], world.Note(i, num_tokens));
    }
    std::vector<int64_t> names, begins;
    const int64_t count = 1 + below(below(2) == 0 ? 2 : 12);
    for (int64_t t = num_tokens; t < num_tokens + count; ++t) {
      names.push_back(t);
      if (t >= shape.sink_tokens) {
        begin = std::max(begin, t - shape.window_tokens + 1);
        if (below(4) == 0) begin += below(t - begin + 1);  // a jump, as turn-wise eviction makes it
      }
      begins.push_back(begin);
    }
    const AttentionPlan plan = PlanStream(shape, num_tokens, num_notes, begins, options);
    const std::vector<Seen> seen = world.Run(plan, names);
    for (size_t row = 0; row < names.size(); ++row) {
      EXPECT_EQ(seen[row], world.StreamToken(names[row], begins[row], num_notes)) << "token " << names[row];
    }
    num_tokens += count;
  }
}

TEST(AttentionPlanTest, EveryTokenSeesWhatTheDefinitionSays) {
  for (const int32_t sinks : {0, 1, 4}) {
    for (const int32_t notes : {0, 3}) {
      for (const int32_t window : {1, 2, 5, 9}) {
        for (const int32_t layer_window : {0, 1, 4}) {
          for (uint32_t seed = 0; seed < 6; ++seed) {
            RunRandomWorld({.sink_tokens = sinks, .note_tokens = notes, .window_tokens = window}, layer_window, seed);
          }
        }
      }
    }
  }
}

TEST(AttentionPlanTest, ASingleTokenNeedsNoMask) {
  const CacheShape shape = {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 5};
  for (int64_t t = 0; t < 30; ++t) {
    const int64_t begin = std::max<int64_t>(2, t - 4);
    EXPECT_TRUE(PlanStream(shape, t, 0, std::vector<int64_t>{begin}, {}).mask.empty()) << t;
  }
}

// Until something is evicted this is plain attention: one run of slots, one rotation.
TEST(AttentionPlanTest, BeforeEvictionTheCacheIsOneRun) {
  const CacheShape shape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 12};
  const AttentionPlan plan = PlanStream(shape, 10, 0, std::vector<int64_t>{4}, {});
  ASSERT_EQ(plan.runs.size(), 1u);
  EXPECT_EQ(plan.runs[0].num_slots, 11);
  EXPECT_FALSE(plan.needs_places());
}

TEST(AttentionPlanTest, AFullRingIsReadAsOneRun) {
  const CacheShape shape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 12};
  const AttentionPlan plan = PlanStream(shape, 100, 0, std::vector<int64_t>{89}, {});
  ASSERT_EQ(plan.runs.size(), 2u);
  EXPECT_TRUE(plan.runs[0].by_place);
  EXPECT_EQ(plan.runs[1].num_slots, 12);
}

}  // namespace
}  // namespace perennial
