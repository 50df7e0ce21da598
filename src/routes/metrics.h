#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace syncline {

// Counters, gauges and histograms, and their text for Prometheus. One thread. Names and labels come
// from our code only, so their number is bounded.
class Metrics {
 public:
  // `labels` as they are written: reason="busy".
  void add(std::string_view name, std::string_view labels = {}, std::uint64_t count = 1);
  void set(std::string_view name, std::int64_t value);
  // A duration in microseconds, into buckets from 0.1 ms to 10 s.
  void observe(std::string_view name, std::int64_t micros);

  std::uint64_t counter(std::string_view name, std::string_view labels = {}) const;
  // Text exposition format, in the order of the names.
  std::string text() const;

 private:
  static constexpr std::array<std::int64_t, 12> bounds_us = {
      100, 250, 500, 1000, 2500, 5000, 10'000, 50'000, 100'000, 500'000, 1'000'000, 10'000'000};
  struct Histogram {
    std::array<std::uint64_t, bounds_us.size()> buckets{};
    std::uint64_t count = 0;
    std::uint64_t sum_us = 0;
  };
  std::map<std::string, std::map<std::string, std::uint64_t, std::less<>>, std::less<>> counters_;
  std::map<std::string, std::int64_t, std::less<>> gauges_;
  std::map<std::string, Histogram, std::less<>> histograms_;
};

}  // namespace syncline
