#include "net/receive_budget.h"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

using namespace syncline;

namespace {

struct Guest {
  bool was_cut = false;
  ReceiveBudget::Share share;

  Guest(ReceiveBudget& budget, const char* whose) : share(budget, whose) {
    share.on_cut([this] { was_cut = true; });
  }
};

}  // namespace

TEST_CASE("one place gets no more than its part") {
  ReceiveBudget budget(1000, 100);
  Guest one(budget, "a");
  Guest two(budget, "a");
  Guest other(budget, "b");
  CHECK(one.share.take(60));
  CHECK(two.share.take(40));
  CHECK(!two.share.take(1));
  CHECK(other.share.take(100));
  two.share.give_back();
  CHECK(two.share.take(40));
  CHECK(budget.all() == 200);
}

TEST_CASE("when all is used up whoever holds most makes room") {
  ReceiveBudget budget(1000, 600);
  std::vector<std::unique_ptr<Guest>> crowd;
  for (int i = 0; i < 4; ++i) {
    crowd.push_back(std::make_unique<Guest>(budget, i % 2 == 0 ? "a" : "b"));
    CHECK(crowd.back()->share.take(i == 2 ? 300 : 230));
  }
  Guest victim(budget, "c");
  CHECK(victim.share.take(50));
  CHECK(crowd[2]->was_cut);  // the largest of the largest place
  CHECK(!crowd[0]->was_cut);
  CHECK(!crowd[2]->share.take(1));
  CHECK(budget.all() == 740);
  // Who holds most himself has to go.
  CHECK(victim.share.take(200));
  CHECK(!victim.share.take(340));
}

TEST_CASE("whoever showed a token counts among others, and no more among the unknown") {
  ReceiveBudget unknown(100, 100);
  ReceiveBudget known(1000, 500);
  Guest guest(unknown, "a");
  CHECK(guest.share.take(80));
  guest.share.move_to(known, "user ann");
  CHECK(unknown.all() == 0);
  CHECK(known.all() == 80);
  CHECK(guest.share.take(400));
  CHECK(!guest.share.take(100));
  guest.share.stop_counting();
  CHECK(known.all() == 0);
  CHECK(guest.share.take(5000));
}
