// The clauses of the ModelRunner contract on notes, cache memory, copies and refusals. Included by
// model_runner_contract.h; never on its own.

#ifndef PERENNIAL_TESTS_MODEL_MODEL_RUNNER_CONTRACT_PARTS_H_
#define PERENNIAL_TESTS_MODEL_MODEL_RUNNER_CONTRACT_PARTS_H_

#include "tests/model/model_runner_contract.h"

namespace perennial {

TEST_P(ModelRunnerContract, NotesChangeLaterLogitsAndNothingElse) {
  const CacheShape shape{.sink_tokens = 2, .note_tokens = 3, .window_tokens = 6};
  for (size_t fed : {3, 8, 9, 25}) {  // before, at and after the first eviction
    SCOPED_TRACE(fed);
    const std::vector<TokenId> tokens = Tokens(fed, 22);
    const std::vector<TokenId> next = Tokens(12, 23);
    ContractStream plain(*runner_, shape);
    ContractStream noted(*runner_, shape);
    ContractStream emptied(*runner_, shape);
    ContractStream without_budget(*runner_, {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 6});
    for (ContractStream* stream : {&plain, &noted, &emptied, &without_budget}) stream->Feed(tokens, 4);
    noted.WriteNotes(Tokens(3, 24));
    emptied.WriteNotes(Tokens(3, 24));
    emptied.WriteNotes({});
    EXPECT_EQ(noted.cache().num_tokens(), static_cast<int64_t>(fed));
    const Rows expected = plain.Feed(next, 1);
    ExpectSame(emptied.Feed(next, 5), expected);
    ExpectSame(without_budget.Feed(next, 12), expected);
    const Rows with_notes = noted.Feed(next, 5);
    for (size_t row = 0; row < next.size(); ++row) ExpectDifferent({with_notes[row]}, {expected[row]});
  }
}

TEST_P(ModelRunnerContract, RewrittenNotesAreTheNewNotes) {
  const CacheShape shape{.sink_tokens = 2, .note_tokens = 4, .window_tokens = 6};
  const std::vector<TokenId> tokens = Tokens(15, 25);
  const std::vector<TokenId> next = Tokens(9, 26);
  const std::vector<TokenId> notes = Tokens(4, 27);
  Rows rows[4];
  for (int i = 0; i < 4; ++i) {
    ContractStream stream(*runner_, shape);
    stream.Feed(tokens, 6);
    if (i == 1) stream.WriteNotes(Tokens(4, 28));                    // others first
    if (i == 2) stream.WriteNotes(notes);                            // the same twice
    stream.WriteNotes(absl::MakeSpan(notes).first(i == 3 ? 2 : 4));  // or fewer
    rows[i] = stream.Feed(next, 3);
  }
  ExpectSame(rows[1], rows[0]);
  ExpectSame(rows[2], rows[0]);
  ExpectDifferent(rows[3], rows[0]);
}

TEST_P(ModelRunnerContract, StreamsWithNotesAreChunkInvariant) {
  for (int32_t sinks : {0, 3}) {
    const CacheShape shape{.sink_tokens = sinks, .note_tokens = 3, .window_tokens = 5};
    const std::vector<TokenId> tokens = Tokens(26, 29);
    Rows expected;
    for (size_t chunk : {1, 2, 4, 7, 23}) {
      SCOPED_TRACE(testing::Message() << "S " << sinks << " chunk " << chunk);
      ContractStream stream(*runner_, shape);
      stream.Feed(absl::MakeSpan(tokens).first(3), 3);
      stream.WriteNotes(Tokens(2, 30));
      Rows rows = stream.Feed(absl::MakeSpan(tokens).subspan(3), chunk);
      if (expected.empty()) expected = rows;
      ExpectSame(rows, expected);
    }
  }
}

TEST_P(ModelRunnerContract, NotesOutliveRewinds) {
  const CacheShape shape{.sink_tokens = 2, .note_tokens = 2, .window_tokens = 8};
  const std::vector<TokenId> tokens = Tokens(7, 31);
  const std::vector<TokenId> next = Tokens(6, 32);
  ContractStream stream(*runner_, shape);
  ContractStream never(*runner_, shape);
  for (ContractStream* each : {&stream, &never}) {
    each->Feed(tokens, 7);
    each->WriteNotes(Tokens(2, 33));
  }
  stream.Feed(Tokens(3, 34), 3);
  stream.Rewind(7);
  EXPECT_EQ(stream.cache().num_notes(), 2);
  SinkWindow window = stream.window();
  ExpectSame(stream.Feed(next, 2), never.FeedWith(next, window.Advance(6), 6));
}

TEST_P(ModelRunnerContract, ClonesAreIndependent) {
  const CacheShape shape{.sink_tokens = 2, .note_tokens = 2, .window_tokens = 6};
  const std::vector<TokenId> tokens = Tokens(17, 35);
  const std::vector<TokenId> here = Tokens(9, 36);
  const std::vector<TokenId> there = Tokens(9, 37);
  const auto prepare = [&] {
    auto stream = std::make_unique<ContractStream>(*runner_, shape);
    stream->Feed(tokens, 5);
    stream->WriteNotes(Tokens(1, 38));
    return stream;
  };
  const Rows expected_here = prepare()->Feed(here, 9);
  const Rows expected_there = prepare()->Feed(there, 9);

  auto original = prepare();
  auto clone = runner_->Clone(original->cache());
  ASSERT_TRUE(clone.ok()) << clone.status();
  EXPECT_EQ((*clone)->num_tokens(), 17);
  EXPECT_EQ((*clone)->num_notes(), 1);
  EXPECT_EQ((*clone)->shape(), shape);
  ContractStream fork(*runner_, *std::move(clone), original->window());
  ExpectSame(original->Feed(here, 2), expected_here);
  original->WriteNotes(Tokens(2, 39));
  original.reset();
  ExpectSame(fork.Feed(there, 2), expected_there);
}

TEST_P(ModelRunnerContract, ExportedSlotsContinueInAnotherCache) {
  const CacheShape shape{.sink_tokens = 3, .note_tokens = 2, .window_tokens = 7};
  const std::vector<TokenId> next = Tokens(9, 40);
  for (size_t fed : {2, 6, 31}) {
    for (int32_t slice : {1, 5, 12}) {
      SCOPED_TRACE(testing::Message() << "fed " << fed << " slice " << slice);
      ContractStream stream(*runner_, shape);
      stream.Feed(Tokens(fed, 41), 4);
      stream.WriteNotes(Tokens(1, 42));
      const std::vector<std::byte> bytes = stream.Export(slice);
      auto cache = runner_->NewCache(shape);
      ASSERT_TRUE(cache.ok());
      ContractStream resumed(*runner_, *std::move(cache), stream.window());
      resumed.FeedWith(Tokens(20, 43), SomeWindowBegins(shape, 0, 20, 44), 20);  // an earlier life
      size_t at = 0;
      for (int32_t slot = 0; slot < shape.capacity(); slot += slice) {
        const int32_t count = std::min(slice, shape.capacity() - slot);
        const size_t size = static_cast<size_t>(runner_->ExportBytes(resumed.cache(), count));
        const absl::Status status = runner_->Import(
            resumed.cache(), slot, count, absl::MakeConstSpan(bytes).subspan(at, size), static_cast<int64_t>(fed), 1);
        ASSERT_TRUE(status.ok()) << status;
        at += size;
      }
      EXPECT_EQ(resumed.cache().num_tokens(), static_cast<int64_t>(fed));
      EXPECT_EQ(resumed.cache().num_notes(), 1);
      ExpectSame(resumed.Feed(next, 4), stream.Feed(next, 4));
    }
  }
}

TEST_P(ModelRunnerContract, CacheMemoryIsCountedAndComesBack) {
  const CacheShape shape{.sink_tokens = 4, .note_tokens = 0, .window_tokens = 44};
  const int64_t all = runner_->FreeCacheBytes();
  const int64_t each = runner_->CacheBytes(shape);
  EXPECT_GE(each, shape.capacity() * runner_->limits().cache_bytes_per_token);
  EXPECT_LE(all, runner_->limits().cache_memory_bytes);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<KvCache>> caches;
    absl::Status status;
    while (status.ok()) {
      ASSERT_LE(caches.size(), static_cast<size_t>(2 * kCacheTokens / shape.capacity())) << "memory never ends";
      EXPECT_EQ(runner_->FreeCacheBytes(), all - static_cast<int64_t>(caches.size()) * each);
      auto cache = runner_->NewCache(shape);
      status = cache.status();
      if (!cache.ok()) break;
      EXPECT_EQ((*cache)->size_bytes(), each);
      EXPECT_LE(runner_->ExportBytes(**cache, shape.capacity()), each) << "a parked cache takes no more";
      caches.push_back(*std::move(cache));
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_GE(caches.size(), 2u);
    EXPECT_LT(runner_->FreeCacheBytes(), each);
    EXPECT_EQ(runner_->Clone(*caches[0]).status().code(), absl::StatusCode::kResourceExhausted);
    // Any one that goes makes room for any other.
    caches.erase(caches.begin() + static_cast<std::ptrdiff_t>(caches.size() / 2));
    auto clone = runner_->Clone(*caches[0]);
    EXPECT_TRUE(clone.ok()) << clone.status();
    clone->reset();
    EXPECT_TRUE(runner_->NewCache(shape).ok());
  }
  EXPECT_EQ(runner_->FreeCacheBytes(), all);
}

TEST_P(ModelRunnerContract, NewCacheHoldsNothingOfAnEarlierSession) {
  const CacheShape shape{.sink_tokens = 3, .note_tokens = 2, .window_tokens = 7};
  const std::vector<TokenId> tokens = Tokens(20, 45);
  Rows expected;
  std::vector<std::byte> empty;
  {
    ContractStream first(*runner_, shape);
    empty = first.Export(shape.capacity());
    expected = first.Feed(tokens, 3);
  }
  // Use up all memory, so that whatever comes next was somebody's.
  {
    std::vector<std::unique_ptr<KvCache>> caches;
    for (auto cache = runner_->NewCache(shape); cache.ok(); cache = runner_->NewCache(shape)) {
      caches.push_back(*std::move(cache));
      const std::vector<TokenId> secret = Tokens(20, 46);
      const std::vector<int64_t> window_begins = SomeWindowBegins(shape, 0, 20, 47);
      StepOutput output;
      ASSERT_TRUE(
          runner_->Step({{caches.back().get(), Part::kStream, secret, window_begins, LogitRows::kNone}}, output).ok());
    }
  }
  ContractStream reused(*runner_, shape);
  EXPECT_EQ(reused.cache().num_tokens(), 0);
  EXPECT_EQ(reused.cache().num_notes(), 0);
  EXPECT_EQ(reused.Export(shape.capacity()), empty);
  ExpectSame(reused.Feed(tokens, 3), expected);
}

TEST_P(ModelRunnerContract, RefusesBadShapes) {
  const int32_t most = runner_->limits().max_cache_tokens;
  for (const CacheShape& shape :
       {CacheShape{-1, 0, 4}, CacheShape{0, -1, 4}, CacheShape{0, 0, 0}, CacheShape{0, 0, -5},
        CacheShape{4, 0, most - 3},
        CacheShape{std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::max(), 4}}) {
    EXPECT_EQ(runner_->NewCache(shape).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_P(ModelRunnerContract, RefusedStepChangesNothing) {
  const CacheShape shape{.sink_tokens = 2, .note_tokens = 2, .window_tokens = 4};
  const int32_t vocab_size = runner_->limits().vocab_size;
  ContractStream stream(*runner_, shape);
  ContractStream bystander(*runner_, shape);
  for (ContractStream* each : {&stream, &bystander}) each->Feed(Tokens(7, 48), 7);  // b is 3 now
  const std::vector<std::byte> stream_before = stream.Export(shape.capacity());
  const std::vector<std::byte> bystander_before = bystander.Export(shape.capacity());
  const auto other_runner = GetParam().make(kCacheTokens);
  ContractStream foreign(*other_runner, shape);

  KvCache* const cache = &stream.cache();
  const std::vector<TokenId> two = {1, 2};
  const std::vector<TokenId> three = {1, 2, 3};
  const std::vector<TokenId> negative = {1, -1};
  const std::vector<TokenId> too_large = {1, vocab_size};
  const std::vector<int64_t> valid = {4, 5};
  const std::vector<int64_t> too_low = {3, 5};
  const std::vector<int64_t> too_high = {4, 9};
  const std::vector<int64_t> decreasing = {6, 5};
  const std::vector<int64_t> one = {4};
  const std::vector<TokenId> too_many(static_cast<size_t>(runner_->limits().max_tokens_per_step) + 1, 1);
  std::vector<int64_t> too_many_begins;
  for (size_t i = 0; i < too_many.size(); ++i) too_many_begins.push_back(static_cast<int64_t>(i) + 7);
  const auto all = LogitRows::kAll;
  const auto none = LogitRows::kNone;
  const std::vector<std::pair<std::string, StepInput>> bad_inputs = {
      {"no cache", {nullptr, Part::kStream, two, valid, all}},
      {"another runner's cache", {&foreign.cache(), Part::kStream, two, valid, all}},
      {"no tokens", {cache, Part::kStream, {}, {}, all}},
      {"negative token", {cache, Part::kStream, negative, valid, all}},
      {"token past the vocabulary", {cache, Part::kStream, too_large, valid, all}},
      {"b below the ring", {cache, Part::kStream, two, too_low, all}},
      {"b past its token", {cache, Part::kStream, two, too_high, all}},
      {"b decreases", {cache, Part::kStream, two, decreasing, all}},
      {"too few b", {cache, Part::kStream, two, one, all}},
      {"too many tokens", {cache, Part::kStream, too_many, too_many_begins, all}},
      {"too many notes", {cache, Part::kNotes, three, {}, none}},
      {"negative note", {cache, Part::kNotes, negative, {}, none}},
      {"notes with b", {cache, Part::kNotes, two, valid, none}},
      {"rows of notes", {cache, Part::kNotes, two, {}, all}},
      {"cache twice", {&bystander.cache(), Part::kStream, two, valid, all}},
  };
  StepOutput output;
  for (const auto& [name, bad] : bad_inputs) {
    SCOPED_TRACE(name);
    const StepInput good{&bystander.cache(), Part::kStream, two, valid, all};
    EXPECT_EQ(runner_->Step({good, bad}, output).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(stream.cache().num_tokens(), 7);
    EXPECT_EQ(stream.cache().num_notes(), 0);
    EXPECT_EQ(bystander.cache().num_tokens(), 7);
    EXPECT_EQ(stream.Export(shape.capacity()), stream_before);
    EXPECT_EQ(bystander.Export(shape.capacity()), bystander_before);
  }
  EXPECT_EQ(runner_->Step({}, output).code(), absl::StatusCode::kInvalidArgument);
  // A token below S has no other b than S.
  ContractStream fresh(*runner_, shape);
  const std::vector<int64_t> not_sinks = {3, 3};
  EXPECT_EQ(runner_->Step({{&fresh.cache(), Part::kStream, two, not_sinks, all}}, output).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(ModelRunnerContract, RefusesBadTruncationsAndCopies) {
  const CacheShape shape{.sink_tokens = 2, .note_tokens = 1, .window_tokens = 4};
  ContractStream stream(*runner_, shape);
  stream.Feed(Tokens(9, 49), 9);
  KvCache& cache = stream.cache();
  const std::vector<std::byte> before = stream.Export(7);
  const auto code = [](const absl::Status& status) { return status.code(); };
  EXPECT_EQ(code(runner_->Truncate(cache, 10)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(runner_->Truncate(cache, -1)), absl::StatusCode::kInvalidArgument);

  std::vector<std::byte> bytes(static_cast<size_t>(runner_->ExportBytes(cache, 3)), std::byte{7});
  const absl::Span<std::byte> span = absl::MakeSpan(bytes);
  struct Range {
    int32_t first, count;
  };
  for (const Range& range : {Range{-1, 3}, Range{5, 3}, Range{0, -1}, Range{0, 2}, Range{0, 4},
                             Range{std::numeric_limits<int32_t>::max(), 3}}) {
    EXPECT_EQ(code(runner_->Export(cache, range.first, range.count, span)), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(code(runner_->Import(cache, range.first, range.count, span, 9, 0)), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(code(runner_->Import(cache, 0, 3, span, -1, 0)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(runner_->Import(cache, 0, 3, span, 9, 2)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(runner_->Import(cache, 0, 3, span, 9, -1)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(cache.num_tokens(), 9);
  EXPECT_EQ(cache.num_notes(), 0);
  EXPECT_EQ(stream.Export(7), before);
}

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_MODEL_RUNNER_CONTRACT_PARTS_H_
