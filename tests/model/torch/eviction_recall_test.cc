// What the default model still knows of facts that it was told so many turns ago, with token-wise and turn-wise
// eviction. Prints the table of docs/measurements.md.

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/sink_window.h"
#include "tests/model/torch/talk.h"

namespace perennial {
namespace {

struct Fact {
  const char* thing;
  const char* name;
};
constexpr std::array<Fact, 10> kFacts = {{{"dog", "Bartholomew"},
                                          {"cat", "Penelope"},
                                          {"boat", "Endeavour"},
                                          {"horse", "Lancelot"},
                                          {"sister", "Philippa"},
                                          {"brother", "Montgomery"},
                                          {"parrot", "Archibald"},
                                          {"teacher", "Wilhelmina"},
                                          {"village", "Fairbourne"},
                                          {"tortoise", "Methuselah"}}};

TEST(EvictionRecallTest, FactsInTheWindowAreKnownAndOthersAreNot) {
  const TalkModel model = OpenTalkModel();
  ASSERT_NE(model.chat_template, nullptr);

  for (const EvictionPolicy policy : {EvictionPolicy::kTokenWise, EvictionPolicy::kTurnWise}) {
    Talk talk(model, model.Shape(/*cache_tokens=*/256, /*note_tokens=*/0), policy);
    talk.Open();
    std::vector<int64_t> begins;
    for (const Fact& fact : kFacts) {
      begins.push_back(talk.num_tokens());
      talk.Exchange(absl::StrCat("My ", fact.thing, " is called ", fact.name, ". What do you think of that?"),
                    "That is a lovely name, and it suits well. Thank you for telling me about it.");
    }
    double known = 0, unknown = 0;
    int64_t num_known = 0, num_unknown = 0;
    std::printf("%s, horizon %d of %d tokens:\n", policy == EvictionPolicy::kTokenWise ? "token-wise" : "turn-wise",
                static_cast<int>(talk.horizon()), static_cast<int>(talk.num_tokens()));
    for (size_t i = 0; i < kFacts.size(); ++i) {
      Talk asked = talk.Fork();
      const double nats =
          asked.NatsOfAnswer(absl::StrCat("What is my ", kFacts[i].thing, " called?"),
                             absl::StrCat("Your ", kFacts[i].thing, " is called"), absl::StrCat(" ", kFacts[i].name));
      const bool in_window = begins[i] >= asked.horizon();
      std::printf("  %zu turns ago, %s: %.2f nats a token\n", kFacts.size() - i,
                  in_window ? "in the window" : "forgotten", nats);
      (in_window ? known : unknown) += nats;
      ++(in_window ? num_known : num_unknown);
    }
    ASSERT_GE(num_known, 3);
    ASSERT_GE(num_unknown, 3);
    known /= static_cast<double>(num_known);
    unknown /= static_cast<double>(num_unknown);
    std::printf("  mean: %.2f in the window, %.2f forgotten\n", known, unknown);
    EXPECT_LT(known, 1.5);
    EXPECT_GT(unknown, 3.0);
  }
}

}  // namespace
}  // namespace perennial
