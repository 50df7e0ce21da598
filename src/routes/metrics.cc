#include "routes/metrics.h"

#include "base/text.h"

namespace syncline {
namespace {

std::string seconds(std::uint64_t micros) {
  return format_js_number(static_cast<double>(micros) / 1e6);
}

void head(std::string& out, const std::string& name, const char* type) {
  out += "# TYPE syncline_" + name + " " + type + "\n";
}

}  // namespace

void Metrics::add(std::string_view name, std::string_view labels, std::uint64_t count) {
  auto at = counters_.find(name);
  if (at == counters_.end()) {
    at = counters_.emplace(std::string(name), std::map<std::string, std::uint64_t, std::less<>>())
             .first;
  }
  const auto one = at->second.find(labels);
  if (one == at->second.end()) {
    at->second.emplace(std::string(labels), count);
  } else {
    one->second += count;
  }
}

void Metrics::set(std::string_view name, std::int64_t value) {
  const auto at = gauges_.find(name);
  if (at == gauges_.end()) {
    gauges_.emplace(std::string(name), value);
  } else {
    at->second = value;
  }
}

void Metrics::observe(std::string_view name, std::int64_t micros) {
  auto at = histograms_.find(name);
  if (at == histograms_.end()) {
    at = histograms_.emplace(std::string(name), Histogram()).first;
  }
  Histogram& histogram = at->second;
  for (std::size_t i = 0; i < bounds_us.size(); ++i) {
    if (micros <= bounds_us[i]) {
      ++histogram.buckets[i];
    }
  }
  ++histogram.count;
  histogram.sum_us += static_cast<std::uint64_t>(micros < 0 ? 0 : micros);
}

std::uint64_t Metrics::counter(std::string_view name, std::string_view labels) const {
  const auto at = counters_.find(name);
  if (at == counters_.end()) {
    return 0;
  }
  const auto one = at->second.find(labels);
  return one == at->second.end() ? 0 : one->second;
}

std::string Metrics::text() const {
  std::string out;
  for (const auto& [name, each] : counters_) {
    head(out, name, "counter");
    for (const auto& [labels, value] : each) {
      out += "syncline_" + name + (labels.empty() ? "" : "{" + labels + "}") + " " +
             std::to_string(value) + "\n";
    }
  }
  for (const auto& [name, value] : gauges_) {
    head(out, name, "gauge");
    out += "syncline_" + name + " " + std::to_string(value) + "\n";
  }
  for (const auto& [name, histogram] : histograms_) {
    head(out, name, "histogram");
    for (std::size_t i = 0; i < bounds_us.size(); ++i) {
      out += "syncline_" + name + "_bucket{le=\"" +
             seconds(static_cast<std::uint64_t>(bounds_us[i])) + "\"} " +
             std::to_string(histogram.buckets[i]) + "\n";
    }
    out += "syncline_" + name + "_bucket{le=\"+Inf\"} " + std::to_string(histogram.count) + "\n";
    out += "syncline_" + name + "_sum " + seconds(histogram.sum_us) + "\n";
    out += "syncline_" + name + "_count " + std::to_string(histogram.count) + "\n";
  }
  return out;
}

}  // namespace syncline
